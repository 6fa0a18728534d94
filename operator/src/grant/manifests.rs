//! A grant's rights as objects of a cluster. Each name contains a hash of the grant's uid and the
//! role, so that nobody else can own an object of that name. A binding's role is immutable, so a
//! changed role gets a new binding and the old one is deleted.

use std::collections::BTreeSet;

use crds::gateway::OnCluster;
use serde_json::{Value, json};

use super::{Grant, mark};
use crate::{
    digest,
    kind::{RBAC, RBAC_V1},
    manifest::Manifest,
    names::{MANAGED_BY, MANAGER},
};

/// The gateway's account on a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Account {
    namespace: String,
    name: String,
}

impl Account {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The longest possible account, for estimates.
    pub(super) fn longest() -> Self {
        Self {
            namespace: "n".repeat(63),
            name: "n".repeat(63),
        }
    }

    pub(crate) fn subject(&self) -> Value {
        json!({"kind": "ServiceAccount", "namespace": self.namespace, "name": self.name})
    }
}

/// A role if the grant has rules of its own, and a binding for the cluster or for each namespace.
pub(super) fn of(grant: &Grant, account: Option<&Account>) -> Vec<Manifest> {
    let spec = &grant.object.spec;
    let role = spec.role.cluster_role.as_deref();
    let hash = digest::of(&json!([grant.uid(), role]));
    // With its prefix and suffix, the name must not exceed the limit for names.
    let clipped: String = grant.name().chars().take(200).collect();
    let name = format!("spokeway:grant:{clipped}:{hash}");
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
