//! What `kubectl explain` says of our kinds.

use serde_json::Value;

/// The fields below a schema, with their paths.
fn walk<'a>(path: &str, schema: &'a Value, each: &mut impl FnMut(&str, &'a Value)) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        each(&path, field);
        walk(&path, field, each);
    }
    if schema["items"].is_object() {
        walk(path, &schema["items"], each);
    }
}

fn schemas() -> Vec<(&'static str, Value)> {
    let all = [
        ("GatewayConfiguration", crate::gateway::crd()),
        ("AccessGrant", crate::gateway::grant_crd()),
    ];
    let schema = |crd| {
        let crd = serde_json::to_value(crd).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    };
    all.map(|(kind, crd)| (kind, schema(crd))).into()
}

/// A text of a value without quotes, as people write it.
fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn every_value_and_every_default_is_explained() {
    let mut missing = Vec::new();
    for (kind, schema) in schemas() {
        walk(kind, &schema, &mut |path, field| {
            let said = field["description"].as_str().unwrap_or_default();
            let said = said.replace('`', "");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            if said.is_empty() && !path.contains(".metadata") && !path.contains("tolerations") {
                missing.push(format!("{path}: no description"));
            }
            for value in field["enum"].as_array().into_iter().flatten() {
                let value = word(value);
                if !said.contains(&format!("{value}: ")) {
                    missing.push(format!("{path}: {value}"));
                }
            }
            let default = &field["default"];
            // Nobody writes a status.
            let is_plain = !path.contains(".status")
                && !default.is_null()
                && !default.is_object()
                && !default.is_array();
            if is_plain
                && *default != ""
                && !said.contains(&format!("efaults to {}", word(default)))
            {
                missing.push(format!("{path}: default {default}"));
            }
        });
    }
    assert_eq!(missing, Vec::<String>::new());
}
