//! The parts of a grant as text.

use crds::gateway::{GrantNamespaces, GrantRole};
use k8s_openapi::api::rbac::v1::PolicyRule;

/// What a grant allows, in one word.
pub(crate) fn role(role: &GrantRole) -> &str {
    role.cluster_role.as_deref().unwrap_or("rules")
}

/// What a grant allows, with all rules.
pub(crate) fn role_in_full(role: &GrantRole) -> String {
    let rules = || {
        let rules = role.rules.iter().flatten().map(rule);
        rules.collect::<Vec<_>>().join("; ")
    };
    role.cluster_role.clone().unwrap_or_else(rules)
}

/// A rule as text: verbs, resources with their groups, and names.
fn rule(rule: &PolicyRule) -> String {
    let words = |all: &Option<Vec<String>>| all.clone().unwrap_or_default();
    let groups = words(&rule.api_groups);
    let resources = words(&rule.resources).into_iter().flat_map(|resource| {
        let named = groups.iter().map(move |group| match group.as_str() {
            "" => resource.clone(),
            group => format!("{resource}.{group}"),
        });
        named.collect::<Vec<_>>()
    });
    let what: Vec<_> = resources.chain(words(&rule.non_resource_urls)).collect();
    let mut text = format!("{} {}", rule.verbs.join(","), what.join(","));
    let names = words(&rule.resource_names);
    if !names.is_empty() {
        text = format!("{text} named {}", names.join(","));
    }
    text
}

/// The namespaces in which a grant is effective.
pub(crate) fn namespaces(namespaces: Option<&GrantNamespaces>) -> String {
    let Some(GrantNamespaces { names, create }) = namespaces else {
        return "everywhere".to_owned();
    };
    let mut names = names.clone();
    names.sort_unstable();
    let made = if *create { ", created if missing" } else { "" };
    format!("in {}{made}", names.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn rules_are_said_in_full() {
        let said = |rules: Value| {
            let role: GrantRole = serde_json::from_value(json!({"rules": rules})).unwrap();
            role_in_full(&role)
        };
        assert_eq!(
            said(json!([
                {"verbs": ["get", "list"], "apiGroups": ["", "apps"], "resources": ["pods", "deployments"]},
                {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a", "b"]},
                {"verbs": ["get"], "nonResourceURLs": ["/healthz"]},
            ])),
            "get,list pods,pods.apps,deployments,deployments.apps; get configmaps named a,b; get /healthz"
        );
        let view = GrantRole {
            cluster_role: Some("view".to_owned()),
            rules: None,
        };
        assert_eq!(
            (role(&view), role_in_full(&view).as_str()),
            ("view", "view")
        );
    }
}
