//! A grant's rights as objects of a cluster, bound to a group that only the gateway gives to anybody.
//! Each name contains a hash of the grant's uid and what it allows, so that nobody else can own an
//! object of that name. A grant that allows something else has another group and other objects, and
//! the old ones are deleted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Grant, mark,
    shipped::{ENDED, OBJECT_PREFIX},
};
use crate::{
    kind::{RBAC, RBAC_V1},
    manifest::Manifest,
    names::{MANAGED_BY, MANAGER},
};

/// A role if the grant has rules of its own, and a binding for the cluster or for each namespace.
pub(super) fn of(grant: &Grant) -> Vec<Manifest> {
    let group = json!({"apiGroup": RBAC, "kind": "Group", "name": grant.object.group()});
    let mut manifests = Vec::new();
    if let Some(rules) = &grant.object.spec.role.rules {
        let metadata = metadata(grant, None, &mark(grant));
        manifests.push(json!({
            "apiVersion": RBAC_V1, "kind": "ClusterRole", "metadata": metadata, "rules": rules,
        }));
    }
    manifests.extend(bindings(grant, &json!([group]), &mark(grant)));
    manifests.into_iter().map(Manifest::from).collect()
}

/// The same bindings of nobody. Open Cluster Management does not report whether it could delete an
/// object that a work no longer has, but it reports whether this could be written.
pub(super) fn of_nobody(grant: &Grant) -> Vec<Manifest> {
    let mut mark = mark(grant);
    mark[ENDED] = "true".into();
    let bindings = bindings(grant, &json!([]), &mark);
    bindings.into_iter().map(Manifest::from).collect()
}

/// The name of the grant's objects.
pub(super) fn name(grant: &Grant) -> String {
    // With its prefix and suffix, the name must not exceed the limit for names.
    let clipped: String = grant.name().chars().take(200).collect();
    format!("{OBJECT_PREFIX}{clipped}:{}", grant.object.digits())
}

fn metadata(grant: &Grant, namespace: Option<&str>, mark: &Value) -> Value {
    let mut metadata = json!({
        "name": name(grant), "labels": {MANAGED_BY: MANAGER}, "annotations": mark,
    });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn bindings(grant: &Grant, subjects: &Value, mark: &Value) -> Vec<Value> {
    let spec = &grant.object.spec;
    let own = name(grant);
    let role = spec.role.cluster_role.as_ref().unwrap_or(&own);
    let binding = |kind: &str, namespace: Option<&str>| {
        json!({
            "apiVersion": RBAC_V1, "kind": kind, "metadata": metadata(grant, namespace, mark),
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": subjects,
        })
    };
    let Some(namespaces) = &spec.namespaces else {
        return vec![binding("ClusterRoleBinding", None)];
    };
    let names: BTreeSet<_> = namespaces.names.iter().collect();
    let bindings = names
        .into_iter()
        .map(|name| binding("RoleBinding", Some(name)));
    bindings.collect()
}
