//! The gateway's account on a cluster, and its right to impersonate the subjects of the grants
//! there.

use std::collections::BTreeSet;

use crds::gateway::{CredentialsType, GROUP_MEMBER, Identity, OnCluster, USER_EXTRA};
use serde_json::{Value, json};

use crate::{
    addon::Addon,
    grant::{Account, Grant},
    kind::{RBAC, RBAC_V1},
    names::{MANAGED_BY, MANAGER, TOKEN_NAMESPACE},
    object::is_ours,
    observed::Observed,
    plan::row_key,
};

/// The role by which the gateway's account impersonates subjects of grants.
const IMPERSONATION: &str = "spokeway:gateway-impersonation";

/// `None` if the credentials are Secrets that somebody else manages, because their account is not
/// known.
pub(super) fn account_of(observed: &Observed, cluster: &str) -> Option<Account> {
    let credentials = &observed.configuration()?.spec.credentials;
    if credentials.kind == CredentialsType::Manual {
        return None;
    }
    let row = observed.object(&row_key(cluster, Addon::Accounts));
    let theirs = row.filter(|row| !is_ours(row));
    let namespace = theirs.and_then(|row| row.data.get("status")?["namespace"].as_str());
    let name = &credentials.managed_service_account.name;
    Some(Account::new(namespace.unwrap_or(TOKEN_NAMESPACE), name))
}

/// The gateway's right to impersonate the subjects of the cluster's grants, and nobody else.
pub(super) fn impersonation(observed: &Observed, held: &[&Grant], account: &Account) -> Vec<Value> {
    let identity = observed.configuration().map(|it| it.spec.identity);
    if identity != Some(Identity::Impersonate) {
        return Vec::new();
    }
    let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for subject in held.iter().flat_map(|grant| grant.subjects()) {
        match subject {
            OnCluster::User(name) => users.insert(name),
            OnCluster::Group(name) => groups.insert(name),
            OnCluster::Gateway => continue,
        };
    }
    let mut rules = Vec::new();
    if !groups.is_empty() {
        users.insert(GROUP_MEMBER.to_owned());
        rules.push(rule("", "groups", Some(&groups)));
        // Every value is allowed, because the field is meant for the audit log and no RBAC rule
        // depends on it.
        rules.push(rule(
            "authentication.k8s.io",
            &format!("userextras/{USER_EXTRA}"),
            None,
        ));
    }
    if !users.is_empty() {
        rules.push(rule("", "users", Some(&users)));
    }
    if rules.is_empty() {
        return Vec::new();
    }
    let metadata = json!({"name": IMPERSONATION, "labels": {MANAGED_BY: MANAGER}});
    let role = json!({
        "apiVersion": RBAC_V1, "kind": "ClusterRole", "metadata": metadata, "rules": rules,
    });
    let binding = json!({
        "apiVersion": RBAC_V1, "kind": "ClusterRoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": IMPERSONATION},
        "subjects": [account.subject()],
    });
    vec![role, binding]
}

fn rule(group: &str, resource: &str, names: Option<&BTreeSet<String>>) -> Value {
    let mut rule = json!({
        "apiGroups": [group], "resources": [resource], "verbs": ["impersonate"],
    });
    if let Some(names) = names {
        rule["resourceNames"] = json!(names);
    }
    rule
}
