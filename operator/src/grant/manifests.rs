//! A grant's rights as objects of a cluster, bound to a group that only the gateway gives to anybody.
//! Each name contains a hash of the grant's uid and what it allows, so that nobody else can own an
//! object of that name. A grant that allows something else has another group and other objects, and
//! the old ones are deleted.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Grant, mark, shipped::OBJECT_PREFIX};
use crate::{
    kind::{RBAC, RBAC_V1},
    manifest::Manifest,
    names::{MANAGED_BY, MANAGER},
};

/// A role if the grant has rules of its own, and a binding for the cluster or for each namespace.
pub(super) fn of(grant: &Grant) -> Vec<Manifest> {
    let spec = &grant.object.spec;
    let role = spec.role.cluster_role.as_deref();
    let digits = grant.object.digits();
    // With its prefix and suffix, the name must not exceed the limit for names.
    let clipped: String = grant.name().chars().take(200).collect();
    let name = format!("{OBJECT_PREFIX}{clipped}:{digits}");
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
    let group = json!({"apiGroup": RBAC, "kind": "Group", "name": grant.object.group()});
    let binding = |kind: &str, namespace: Option<&String>| {
        json!({
            "apiVersion": RBAC_V1, "kind": kind, "metadata": metadata(namespace),
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role.unwrap_or(&name)},
            "subjects": [group],
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
