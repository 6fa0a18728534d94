//! Does an object already say what it is to say? Fields that are not wanted are somebody else's.

use serde_json::{Map, Value};

/// True where all of `want` is in `have`.
pub(crate) fn holds(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => object_holds(have, want),
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(have, want)| holds(have, want))
        }
        // Empty is absent.
        (Value::Null, Value::Array(want)) => want.is_empty(),
        (Value::Null, Value::Object(want)) => want.values().all(|want| holds(have, want)),
        _ => have == want,
    }
}

fn object_holds(have: &Map<String, Value>, want: &Map<String, Value>) -> bool {
    want.iter().all(|(name, want)| {
        let have = have.get(name).unwrap_or(&Value::Null);
        match (name.as_str(), want) {
            ("conditions", Value::Array(want)) => each_is_there(have, want, "type"),
            ("ownerReferences", Value::Array(want)) => each_is_there(have, want, "uid"),
            ("finalizers", Value::Array(want)) => {
                let have = have.as_array().map_or(&[][..], Vec::as_slice);
                want.iter().all(|want| have.contains(want))
            }
            _ => holds(have, want),
        }
    })
}

/// Lists whose elements have a key, and may have elements of others.
fn each_is_there(have: &Value, want: &[Value], key: &str) -> bool {
    let have = have.as_array().map_or(&[][..], Vec::as_slice);
    want.iter().all(|want| {
        let own = have.iter().find(|have| have[key] == want[key]);
        own.is_some_and(|have| holds(have, want))
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
}
