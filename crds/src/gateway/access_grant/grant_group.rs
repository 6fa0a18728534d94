//! The group that a grant has on managed clusters.

use sha2::{Digest as _, Sha256};

use super::AccessGrant;

/// The names of all groups of grants begin so, and no others do.
pub const GRANT_GROUP_PREFIX: &str = "cluster:hub:grant:";
/// Half of a SHA-256 hash: too long to find another grant with the same digits.
const BYTES: usize = 16;

impl AccessGrant {
    /// The group on managed clusters that the role of this grant is bound to. The gateway gives it
    /// to the subjects of the grant. The digits are those of [`digits`](Self::digits), so a grant
    /// that is changed has another group, and nobody can use what its former version allowed.
    pub fn group(&self) -> String {
        format!("{GRANT_GROUP_PREFIX}{}", self.digits())
    }

    /// Hexadecimal digits that stand for what the grant allows: its uid, role and namespaces.
    pub fn digits(&self) -> String {
        let namespaces = self.spec.namespaces.as_ref().map(|namespaces| {
            let mut names: Vec<_> = namespaces.names.iter().collect();
            names.sort_unstable();
            names.dedup();
            names
        });
        let allowed = (&self.metadata.uid, &self.spec.role, namespaces);
        let allowed = serde_json::to_vec(&allowed).expect("its keys are strings");
        let hash = Sha256::digest(allowed);
        let digits = hash.iter().take(BYTES).map(|byte| format!("{byte:02x}"));
        digits.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    fn group(uid: &str, more: &Value) -> String {
        let mut grant = json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
            "metadata": {"name": "g", "uid": uid},
            "spec": {
                "clusters": {"names": ["managed1"]},
                "subjects": [{"kind": "User", "name": "alice"}],
                "role": {"clusterRole": "view"},
            },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            grant["spec"][field] = value.clone();
        }
        let grant: AccessGrant = serde_json::from_value(grant).unwrap();
        grant.group()
    }

    #[test]
    fn a_grant_that_allows_something_else_has_another_group() {
        let rules =
            |verb| json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]});
        let all = [
            group("1", &json!({})),
            group("2", &json!({})),
            group("1", &json!({"role": {"clusterRole": "edit"}})),
            group("1", &json!({"role": rules("get")})),
            group("1", &json!({"role": rules("list")})),
            group("1", &json!({"namespaces": {"names": ["a"]}})),
            group("1", &json!({"namespaces": {"names": ["a", "b"]}})),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let digits = all[0].strip_prefix(GRANT_GROUP_PREFIX).unwrap();
        assert_eq!(digits.len(), 32);
        assert!(digits.chars().all(|it| it.is_ascii_hexdigit()));
    }

    #[test]
    fn what_a_grant_allows_does_not_depend_on_whom_it_names_or_on_order() {
        let other = json!({"subjects": [{"kind": "Group", "name": "dev"}], "expiresAfter": "1h"});
        assert_eq!(group("1", &json!({})), group("1", &other));
        let ordered = json!({"namespaces": {"names": ["a", "b"]}});
        let twice = json!({"namespaces": {"names": ["b", "a", "b"], "create": true}});
        assert_eq!(group("1", &ordered), group("1", &twice));
    }
}
