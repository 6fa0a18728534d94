//! What may be granted on a cluster at most, whoever grants it. The operator carries no grant beyond
//! it to a cluster, and the gateway lets nobody use one.

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt as _};

use super::{Access, GrantRole};
use crate::label_selector::compile;

/// The caps of a configuration, parsed once for many lookups.
#[derive(Clone, Debug, Default)]
pub struct Caps(Vec<Cap>);

#[derive(Clone, Debug)]
struct Cap {
    selects: Selects,
    cluster_roles: Vec<String>,
    rules: bool,
}

#[derive(Clone, Debug)]
enum Selects {
    Every,
    Those(Selector),
    /// Its selector is invalid, so it allows nothing.
    None,
}

impl From<&Access> for Caps {
    fn from(access: &Access) -> Self {
        let caps = access.caps.iter().map(|cap| Cap {
            selects: match cap.selector.as_ref().map(compile) {
                None => Selects::Every,
                Some(Ok(selector)) => Selects::Those(selector),
                Some(Err(_)) => Selects::None,
            },
            cluster_roles: cap.cluster_roles.clone(),
            rules: cap.rules,
        });
        Self(caps.collect())
    }
}

impl Caps {
    /// True if the role may be granted on a cluster with these labels. Without caps, every role may.
    pub fn allow(&self, role: &GrantRole, labels: &BTreeMap<String, String>) -> bool {
        self.0.is_empty() || self.0.iter().any(|cap| cap.allows(role, labels))
    }
}

impl Cap {
    fn allows(&self, role: &GrantRole, labels: &BTreeMap<String, String>) -> bool {
        let is_selected = match &self.selects {
            Selects::Every => true,
            Selects::Those(selector) => selector.matches(labels),
            Selects::None => false,
        };
        is_selected
            && match &role.cluster_role {
                Some(name) => self.cluster_roles.contains(name),
                None => self.rules,
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn allows(caps: &Value, role: &Value, labels: &[(&str, &str)]) -> bool {
        let access: Access = serde_json::from_value(json!({"caps": caps})).unwrap();
        let role: GrantRole = serde_json::from_value(role.clone()).unwrap();
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Caps::from(&access).allow(&role, &labels.collect())
    }

    #[test]
    fn a_role_is_allowed_by_any_cap_that_selects_the_cluster() {
        let caps = json!([
            {"clusterRoles": ["view"]},
            {"selector": {"matchLabels": {"env": "dev"}}, "clusterRoles": ["admin"], "rules": true},
        ]);
        let rules =
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
        for (role, env, wanted) in [
            (json!({"clusterRole": "view"}), "prod", true),
            (json!({"clusterRole": "admin"}), "prod", false),
            (json!({"clusterRole": "admin"}), "dev", true),
            (json!({"clusterRole": "edit"}), "dev", false),
            (rules.clone(), "prod", false),
            (rules, "dev", true),
        ] {
            assert_eq!(
                allows(&caps, &role, &[("env", env)]),
                wanted,
                "{role} {env}"
            );
        }
    }

    #[test]
    fn without_caps_every_role_is_allowed_and_by_a_senseless_cap_none() {
        let admin = json!({"clusterRole": "cluster-admin"});
        assert!(allows(&json!([]), &admin, &[]));
        let senseless = json!([{
            "selector": {"matchExpressions": [{"key": "env", "operator": "?"}]}, "clusterRoles": ["cluster-admin"],
        }]);
        assert!(!allows(&senseless, &admin, &[]));
    }
}
