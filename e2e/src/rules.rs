//! The rules of the roles that we ship, each with the comment above it that says why it is there.

use std::{fs, path::Path};

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

/// Our manifests with roles, below `config`.
pub const MANIFESTS: [&str; 4] = [
    "operator/rbac.yaml",
    "gateway/rbac.yaml",
    "agent/rbac-hub.yaml",
    "agent/rbac-spoke.yaml",
];

/// A rule of a role that we ship.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of the role.
    pub role: String,
    /// The namespace of the role, if it has one.
    pub namespace: Option<String>,
    /// What it allows.
    pub rule: PolicyRule,
    /// Why. Empty if nothing is said.
    pub reason: String,
}

/// The rules in one of our manifests, which is a path below `config`.
pub fn rules(manifest: &str) -> Vec<Rule> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let text = fs::read_to_string(config.join(manifest)).expect("a file of ours");
    text.split("\n---\n").flat_map(of_object).collect()
}

fn of_object(text: &str) -> Vec<Rule> {
    let object: Value = serde_saphyr::from_str(text).expect("a manifest of ours");
    let role = object["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = object["metadata"]["namespace"].as_str();
    let rules = object["rules"].as_array().cloned().unwrap_or_default();
    let reasons = reasons(text);
    assert_eq!(rules.len(), reasons.len(), "{role}");
    let rules = rules.into_iter().zip(reasons);
    let rules = rules.map(|(rule, reason)| Rule {
        role: role.to_owned(),
        namespace: namespace.map(str::to_owned),
        rule: serde_json::from_value(rule).expect("a rule"),
        reason,
    });
    rules.collect()
}

/// The comment that ends right above each rule.
fn reasons(object: &str) -> Vec<String> {
    let (mut reasons, mut comment) = (Vec::new(), Vec::new());
    for line in object.lines() {
        let is_rule =
            line.starts_with("  - apiGroups:") || line.starts_with("  - nonResourceURLs:");
        match line.strip_prefix("  # ") {
            Some(words) => comment.push(words.trim()),
            None if is_rule => reasons.push(std::mem::take(&mut comment).join(" ")),
            None => comment.clear(),
        }
    }
    reasons
}

impl Rule {
    /// Whether it allows a verb on a resource, as `kubectl auth can-i --list` names it, of these
    /// names; none stands for all.
    pub fn allows(&self, verb: &str, resource: &str, names: &[String]) -> bool {
        let PolicyRule {
            api_groups,
            resources,
            resource_names,
            verbs,
            non_resource_urls: _,
        } = &self.rule;
        let groups = api_groups.iter().flatten();
        let mut targets = groups.flat_map(|group| {
            let own = resources.iter().flatten();
            own.map(move |name| qualified(name, group))
        });
        let own = resource_names.as_deref().unwrap_or_default();
        let has_names = if names.is_empty() {
            own.is_empty()
        } else {
            names.iter().all(|name| own.contains(name))
        };
        has_names && verbs.iter().any(|it| it == verb) && targets.any(|it| it == resource)
    }
}

/// A resource with its group: before the subresource, as kubectl says it.
fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() {
        return resource.to_owned();
    }
    match resource.split_once('/') {
        Some((resource, subresource)) => format!("{resource}.{group}/{subresource}"),
        None => format!("{resource}.{group}"),
    }
}
