//! Compares an object with its desired state. Fields that are not desired belong to others.

use serde_json::{Map, Value};

/// True if all of `want` is in `have`.
pub(crate) fn holds(have: &Value, want: &Value) -> bool {
    difference(have, want).is_none()
}

/// The path of the first part of `want` that is not in `have`, e.g. `.spec.rules[0]`.
pub(crate) fn difference(have: &Value, want: &Value) -> Option<String> {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => of_objects(have, want),
        (Value::Array(have), Value::Array(want)) if have.len() == want.len() => {
            let mut pairs = have.iter().zip(want).enumerate();
            pairs.find_map(|(at, (have, want))| {
                difference(have, want).map(|rest| format!("[{at}]{rest}"))
            })
        }
        // An empty list equals an absent one.
        (Value::Null, Value::Array(want)) if want.is_empty() => None,
        (Value::Null, Value::Object(want)) => of_objects(&Map::new(), want),
        _ => (have != want).then(String::new),
    }
}

fn of_objects(have: &Map<String, Value>, want: &Map<String, Value>) -> Option<String> {
    want.iter().find_map(|(name, want)| {
        let have = have.get(name).unwrap_or(&Value::Null);
        let found = match (name.as_str(), want) {
            ("conditions", Value::Array(want)) => of_lists(have, want, "type"),
            ("ownerReferences", Value::Array(want)) => of_lists(have, want, "uid"),
            ("finalizers", Value::Array(want)) => {
                let have = have.as_array().map_or(&[][..], Vec::as_slice);
                let missing = want.iter().any(|want| !have.contains(want));
                missing.then(String::new)
            }
            // The API server leaves it out if it is false.
            ("insecureSkipTLSVerify", Value::Bool(false)) if have.is_null() => None,
            _ => difference(have, want),
        };
        found.map(|rest| format!(".{name}{rest}"))
    })
}

/// Compares lists whose elements have a key. Others may add elements of their own.
fn of_lists(have: &Value, want: &[Value], key: &str) -> Option<String> {
    let have = have.as_array().map_or(&[][..], Vec::as_slice);
    want.iter().find_map(|want| {
        let own = have.iter().find(|have| have[key] == want[key]);
        let rest = own.map_or_else(|| Some(String::new()), |have| difference(have, want))?;
        let name = want[key].as_str().unwrap_or_default();
        Some(format!("[{name}]{rest}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            (json!({"spec": {"list": [{"x": 2}]}}), ".spec.list[0].x"),
            (json!({"spec": {"list": []}}), ".spec.list"),
            (json!({"status": {"of": 1}}), ".status.of"),
            (
                json!({"spec": {"conditions": [{"type": "A", "status": "True"}]}}),
                ".spec.conditions[A].status",
            ),
        ] {
            assert_eq!(difference(&have, &want).as_deref(), Some(path));
        }
    }
}
