//! A grant's rights as objects of a cluster. No name of theirs is one that somebody else could have: a
//! hash of the grant's uid and of the role is in it. So a role that is changed comes by a new binding, for
//! a binding's role cannot be, and the one before goes.

use std::collections::BTreeSet;

use crds::gateway::{GROUP_MEMBER, Identity, OnCluster, USER_EXTRA};
use serde_json::{Value, json};

use super::grant::{Grant, mark};
use crate::{
    digest,
    kind::{Kind, ObjectKey},
    manifest::Manifest,
    names::{ACCOUNTS, MANAGED_BY, MANAGER, TOKEN_NAMESPACE},
    observed::Observed,
    plan::is_ours,
};

const RBAC: &str = "rbac.authorization.k8s.io";
const RBAC_V1: &str = "rbac.authorization.k8s.io/v1";
/// The role by which the gateway's account acts as those who were granted something.
const IMPERSONATION: &str = "spokeway:gateway-impersonation";

/// The gateway's account on a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Account {
    namespace: String,
    name: String,
}

impl Account {
    /// Nothing where credentials are somebody's Secrets, of which it is not known whose they are.
    pub(super) fn of(observed: &Observed, cluster: &str) -> Option<Self> {
        let credentials = &observed.configuration()?.spec.credentials;
        if credentials.kind == crds::gateway::CredentialsType::Manual {
            return None;
        }
        let row = observed.object(&ObjectKey::new(
            Kind::ManagedClusterAddOn,
            cluster,
            ACCOUNTS,
        ));
        let theirs = row.filter(|row| !is_ours(row));
        let namespace = theirs.and_then(|row| row.data.get("status")?["namespace"].as_str());
        Some(Self {
            namespace: namespace.unwrap_or(TOKEN_NAMESPACE).to_owned(),
            name: credentials.managed_service_account.name.clone(),
        })
    }

    /// As long as one can be, for estimates.
    pub(super) fn longest() -> Self {
        Self {
            namespace: "n".repeat(63),
            name: "n".repeat(63),
        }
    }

    fn subject(&self) -> Value {
        json!({"kind": "ServiceAccount", "namespace": self.namespace, "name": self.name})
    }
}

/// A role of the grant's own where it has rules, and a binding for the cluster or for each namespace.
pub(super) fn of(grant: &Grant, account: Option<&Account>) -> Vec<Manifest> {
    let spec = &grant.object.spec;
    let role = spec.role.cluster_role.as_deref();
    let hash = digest::of(&json!([grant.uid(), role]));
    // As long as a name may be, with what stands around it.
    let name: String = grant.name().chars().take(200).collect();
    let name = format!("spokeway:grant:{name}:{hash}");
    let metadata = |namespace: Option<&String>| {
        let mut metadata = json!({
            "name": name, "labels": {MANAGED_BY: MANAGER}, "annotations": mark(grant),
        });
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.as_str().into();
        }
        metadata
    };
    let mut manifests = Vec::new();
    if let Some(rules) = &spec.role.rules {
        manifests.push(json!({
            "apiVersion": RBAC_V1, "kind": "ClusterRole", "metadata": metadata(None), "rules": rules,
        }));
    }
    let subjects: Vec<_> = grant
        .subjects()
        .filter_map(|it| subject(&it, account))
        .collect();
    let binding = |kind: &str, namespace: Option<&String>| {
        json!({
            "apiVersion": RBAC_V1, "kind": kind, "metadata": metadata(namespace),
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role.unwrap_or(&name)},
            "subjects": subjects,
        })
    };
    match &spec.namespaces {
        None => manifests.push(binding("ClusterRoleBinding", None)),
        Some(namespaces) => {
            let names: BTreeSet<_> = namespaces.names.iter().collect();
            let bindings = names
                .into_iter()
                .map(|name| binding("RoleBinding", Some(name)));
            manifests.extend(bindings);
        }
    }
    manifests.into_iter().map(Manifest::from).collect()
}

fn subject(subject: &OnCluster, account: Option<&Account>) -> Option<Value> {
    match subject {
        OnCluster::User(name) => Some(json!({"apiGroup": RBAC, "kind": "User", "name": name})),
        OnCluster::Group(name) => Some(json!({"apiGroup": RBAC, "kind": "Group", "name": name})),
        OnCluster::Gateway => account.map(Account::subject),
    }
}

/// The gateway's right to act as those who are granted something on the cluster, and as nobody else.
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
        // Any name may stand there: it is for the audit log, and no rule of RBAC looks at it.
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
