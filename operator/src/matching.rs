//! Compares an object with its desired state. Fields that are not desired belong to others.

use std::fmt;

use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

/// The way from an object to one of its parts. The innermost step comes first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// The field of this name.
    Field(String),
    /// The element at this place of a list.
    At(usize),
    /// The element of a list that has this value in the field that is its key.
    Keyed { key: &'static str, value: String },
}

impl Path {
    /// The path within what is reached by this step.
    pub(crate) fn below(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// The path within this field.
    pub(crate) fn below_field(self, name: &str) -> Self {
        self.below(Step::Field(name.to_owned()))
    }

    /// The steps, the outermost first.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.iter().rev()
    }
}

/// For example `spec.rules[0].verbs`.
impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps().enumerate() {
            match step {
                Step::Field(name) if at == 0 => formatter.write_str(name)?,
                Step::Field(name) => write!(formatter, ".{name}")?,
                Step::At(place) => write!(formatter, "[{place}]")?,
                Step::Keyed { value, .. } => write!(formatter, "[{value}]")?,
            }
        }
        Ok(())
    }
}

/// The path of the first of these fields that the object does not have.
pub(crate) fn differs(have: &DynamicObject, want: &Value) -> Option<Path> {
    let want = want.as_object()?;
    want.iter().find_map(|(field, want)| {
        let found = match field.as_str() {
            "metadata" => difference(&metadata(have), want),
            _ => difference(have.data.get(field).unwrap_or(&Value::Null), want),
        };
        found.map(|rest| rest.below_field(field))
    })
}

/// What the object has of these fields.
pub(crate) fn parts_of(have: &DynamicObject, want: &Value) -> Value {
    let part = |(field, want): (&String, &Value)| {
        let part = match field.as_str() {
            "metadata" => named_parts(&metadata(have), want),
            _ => named_parts(have.data.get(field).unwrap_or(&Value::Null), want),
        };
        (field.clone(), part)
    };
    let want = want.as_object();
    want.into_iter().flatten().map(part).collect()
}

fn metadata(object: &DynamicObject) -> Value {
    serde_json::to_value(&object.metadata).unwrap_or_default()
}

/// The path of the first part of `want` that is not in `have`.
pub(crate) fn difference(have: &Value, want: &Value) -> Option<Path> {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => of_objects(have, want),
        (Value::Array(have), Value::Array(want)) if have.len() == want.len() => {
            let mut pairs = have.iter().zip(want).enumerate();
            pairs.find_map(|(at, (have, want))| {
                difference(have, want).map(|rest| rest.below(Step::At(at)))
            })
        }
        // An empty list equals an absent one.
        (Value::Null, Value::Array(want)) if want.is_empty() => None,
        (Value::Null, Value::Object(want)) => of_objects(&Map::new(), want),
        _ => (have != want).then(Path::default),
    }
}

/// What `have` has of the parts that `want` names. A list of another length is taken whole.
fn named_parts(have: &Value, want: &Value) -> Value {
    match (have, want) {
        (Value::Object(_) | Value::Null, Value::Object(want)) => {
            let part = |(name, want): (&String, &Value)| {
                let have = &have[name];
                let part = match (keys_of(name), want) {
                    (Some(key), Value::Array(want)) => keyed_parts(have, want, key),
                    _ if name == "finalizers" => common_parts(have, want),
                    _ => named_parts(have, want),
                };
                (name.clone(), part)
            };
            want.iter().map(part).collect()
        }
        (Value::Array(have), Value::Array(want)) if have.len() == want.len() => {
            let pairs = have.iter().zip(want);
            pairs.map(|(have, want)| named_parts(have, want)).collect()
        }
        _ => have.clone(),
    }
}

fn keyed_parts(have: &Value, want: &[Value], key: &str) -> Value {
    let have = have.as_array().map_or(&[][..], Vec::as_slice);
    let parts = want.iter().filter_map(|want| {
        let own = have.iter().find(|have| have[key] == want[key])?;
        Some(named_parts(own, want))
    });
    parts.collect()
}

fn common_parts(have: &Value, want: &Value) -> Value {
    let have = have.as_array().into_iter().flatten();
    let want = want.as_array().map_or(&[][..], Vec::as_slice);
    let common = have.filter(|it| want.contains(it));
    json!(common.collect::<Vec<_>>())
}

/// The field that is the key of the elements of such a list, to which others may add their own.
fn keys_of(list: &str) -> Option<&'static str> {
    match list {
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        // Of add-ons, in either version of their API.
        "defaultConfigs" | "supportedConfigs" => Some("resource"),
        _ => None,
    }
}

fn of_objects(have: &Map<String, Value>, want: &Map<String, Value>) -> Option<Path> {
    want.iter().find_map(|(name, want)| {
        let have = have.get(name).unwrap_or(&Value::Null);
        let found = match (name.as_str(), want) {
            (list, Value::Array(want)) if let Some(key) = keys_of(list) => {
                of_lists(have, want, key)
            }
            ("finalizers", Value::Array(want)) => {
                let have = have.as_array().map_or(&[][..], Vec::as_slice);
                let missing = want.iter().any(|want| !have.contains(want));
                missing.then(Path::default)
            }
            // The API server leaves it out if it is false.
            ("insecureSkipTLSVerify", Value::Bool(false)) if have.is_null() => None,
            _ => difference(have, want),
        };
        found.map(|rest| rest.below_field(name))
    })
}

/// Compares lists whose elements have a key. Others may add elements of their own.
fn of_lists(have: &Value, want: &[Value], key: &'static str) -> Option<Path> {
    let have = have.as_array().map_or(&[][..], Vec::as_slice);
    want.iter().find_map(|want| {
        let own = have.iter().find(|have| have[key] == want[key]);
        let rest = own.map_or_else(|| Some(Path::default()), |have| difference(have, want))?;
        let value = want[key].as_str().unwrap_or_default().to_owned();
        Some(rest.below(Step::Keyed { key, value }))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// True if all of `want` is in `have`.
    fn holds(have: &Value, want: &Value) -> bool {
        difference(have, want).is_none()
    }

    #[test]
    fn what_is_not_wanted_does_not_count() {
        let have = json!({"a": {"b": 1, "default": true}, "list": [{"x": 1, "default": 2}]});
        assert!(holds(&have, &json!({"a": {"b": 1}, "list": [{"x": 1}]})));
        assert!(!holds(&have, &json!({"a": {"b": 2}})));
        assert!(!holds(&have, &json!({"list": []})));
        assert!(!holds(&have, &json!({"list": [{"x": 1}, {"x": 1}]})));
        assert!(!holds(&have, &json!({"absent": 1})));
        assert!(holds(
            &have,
            &json!({"absent": [], "none": {"at": {"all": []}}})
        ));
    }

    #[test]
    fn lists_with_keys_may_hold_what_others_put_there() {
        let have = json!({
            "finalizers": ["other", "own"],
            "ownerReferences": [{"uid": "1", "kind": "A"}, {"uid": "2", "kind": "B"}],
            "conditions": [{"type": "Other", "status": "False"}, {"type": "Own", "status": "True"}],
        });
        assert!(holds(
            &have,
            &json!({
                "finalizers": ["own"],
                "ownerReferences": [{"uid": "2"}],
                "conditions": [{"type": "Own", "status": "True"}],
            })
        ));
        assert!(!holds(&have, &json!({"finalizers": ["absent"]})));
        assert!(!holds(
            &have,
            &json!({"conditions": [{"type": "Own", "status": "False"}]})
        ));
        assert!(!holds(
            &have,
            &json!({"conditions": [{"type": "Absent", "status": "True"}]})
        ));
    }

    #[test]
    fn what_an_api_server_leaves_out_is_there() {
        let want = json!({"insecureSkipTLSVerify": false});
        assert!(holds(&json!({}), &want) && holds(&want, &want));
        assert!(!holds(&json!({"insecureSkipTLSVerify": true}), &want));
        assert!(!holds(
            &json!({}),
            &json!({"automountServiceAccountToken": false})
        ));
    }

    #[test]
    fn a_difference_is_found_by_its_path() {
        let have =
            json!({"spec": {"list": [{"x": 1}], "conditions": [{"type": "A", "status": "False"}]}});
        for (want, path) in [
            (json!({"spec": {"list": [{"x": 2}]}}), "spec.list[0].x"),
            (json!({"spec": {"list": []}}), "spec.list"),
            (json!({"status": {"of": 1}}), "status.of"),
            (
                json!({"spec": {"conditions": [{"type": "A", "status": "True"}]}}),
                "spec.conditions[A].status",
            ),
        ] {
            let found = difference(&have, &want).map(|it| it.to_string());
            assert_eq!(found.as_deref(), Some(path));
        }
    }

    #[test]
    fn the_parts_that_an_object_has_are_all_in_it() {
        let have = json!({
            "image": "mirror/a", "more": 1, "containers": [{"name": "a"}, {"name": "sidecar"}],
            "conditions": [{"type": "A", "status": "False"}, {"type": "B"}], "finalizers": ["x", "y"],
        });
        let want = json!({
            "image": "a", "absent": {"at": [1]}, "containers": [{"name": "a"}],
            "conditions": [{"type": "A", "status": "True"}, {"type": "C"}], "finalizers": ["y", "z"],
        });
        let parts = named_parts(&have, &want);
        assert!(holds(&have, &parts), "{parts}");
        assert_eq!(
            parts,
            json!({
                "image": "mirror/a", "absent": {"at": null},
                "containers": [{"name": "a"}, {"name": "sidecar"}],
                "conditions": [{"type": "A", "status": "False"}], "finalizers": ["y"],
            })
        );
    }
}
