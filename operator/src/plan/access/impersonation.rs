//! The gateway's right to impersonate, on one cluster, the users that grants name there and the
//! grants' groups.

use std::collections::BTreeSet;

use crds::gateway::{CredentialsType, GROUP_MEMBER, OnHub, USER_EXTRA};
use serde_json::{Value, json};

use crate::{
    addon::Addon,
    grant::Grant,
    kind::{RBAC, RBAC_V1},
    names::{MANAGED_BY, MANAGER},
    object::is_ours,
    observed::Observed,
    plan::{enrolment::token_namespace, hub_id, row_key},
};

/// The role by which the gateway's account impersonates subjects of grants.
const IMPERSONATION: &str = "spokeway:gateway-impersonation";

/// The gateway's account on a cluster, as a subject of bindings. `None` if the credentials are
/// Secrets that somebody else manages, because their account is not known.
pub(crate) fn account_of(observed: &Observed, cluster: &str) -> Option<Value> {
    let credentials = &observed.configuration()?.spec.credentials;
    if credentials.kind == CredentialsType::Manual {
        return None;
    }
    let row = observed.object(&row_key(cluster, Addon::Accounts));
    let theirs = row.filter(|row| !is_ours(row));
    let namespace = theirs.and_then(|row| row.data.get("status")?["namespace"].as_str());
    let name = &credentials.managed_service_account.name;
    let namespace = namespace.map_or_else(|| token_namespace(observed, cluster), str::to_owned);
    Some(json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}))
}

/// The right, as a role, and its binding if the account is known. Whoever manages the credentials
/// binds it otherwise.
pub(super) fn impersonation(observed: &Observed, cluster: &str, held: &[&Grant]) -> Vec<Value> {
    let identity = observed.configuration().map(|it| it.spec.identity.clone());
    let prefix = identity.unwrap_or_default().prefix();
    let groups: BTreeSet<_> = held.iter().map(|grant| grant.object.group()).collect();
    let users = held.iter().flat_map(|grant| grant.subjects());
    let mut users: BTreeSet<_> = users
        .filter_map(|subject| match subject {
            OnHub::User(name) => prefix.on_cluster(&name),
            OnHub::Group(_) | OnHub::Everyone => None,
        })
        .collect();
    // Who is named by a group, or as everybody. The gateway also compares its account's rights with
    // those of this user, to whom nothing is bound.
    users.insert(GROUP_MEMBER.to_owned());
    let rules = [
        rule("", "groups", Some(&groups)),
        rule("", "users", Some(&users)),
        // Every value is allowed, because the field is meant for the audit log and no RBAC rule
        // depends on it.
        rule(
            "authentication.k8s.io",
            &format!("userextras/{USER_EXTRA}"),
            None,
        ),
    ];
    let account = account_of(observed, cluster);
    // A cluster of several hubs has such a role of each. Whoever binds it has to know its name.
    let hub = account.as_ref().and_then(|_| hub_id(observed));
    let name = hub.map_or_else(
        || IMPERSONATION.to_owned(),
        |hub| format!("{IMPERSONATION}:{hub}"),
    );
    let metadata = json!({"name": name, "labels": {MANAGED_BY: MANAGER}});
    let role = json!({
        "apiVersion": RBAC_V1, "kind": "ClusterRole", "metadata": metadata, "rules": rules,
    });
    let binding = account.map(|account| {
        json!({
            "apiVersion": RBAC_V1, "kind": "ClusterRoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [account],
        })
    });
    [role].into_iter().chain(binding).collect()
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
