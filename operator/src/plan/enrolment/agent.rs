//! The agent as objects of its cluster: namespaces and RBAC as `config/agent` ships them, then its
//! `ServiceAccount`, the certificates that it verifies the gateway with, and its Deployment.

mod container;
mod image;

use std::sync::LazyLock;

use crds::addon::PULLS_IMAGES;
use serde_json::{Value, json};

use super::selected_cluster::SelectedCluster;
use crate::{
    names::{AGENT, TOKEN_NAMESPACE},
    plan::entrance::Entrance,
};

/// The shipped RBAC.
const RIGHTS: &str = include_str!("../../../../config/agent/rbac-spoke.yaml");
/// The shipped objects, parsed once for all clusters.
static SHIPPED: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_saphyr::from_multiple(RIGHTS).expect("a file of ours"));
/// The namespace that the shipped objects name.
const SHIPPED_NAMESPACE: &str = crds::addon::DEFAULT_NAMESPACE;
/// Rights that only the handling of tokens needs, beside those in the namespace of the tokens.
const REVIEWS: &str = "spokeway-agent-token-reviews";

/// All of the agent's objects, in an order in which they can be applied.
pub(super) fn manifests(cluster: &SelectedCluster<'_>) -> Vec<Value> {
    let namespace = cluster.install_namespace();
    let own = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {PULLS_IMAGES: "true"}},
    });
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": AGENT, "namespace": namespace},
    });
    let mut manifests = vec![own];
    manifests.extend(rights(cluster, &namespace));
    manifests.push(account);
    if let Entrance::Own(address) = &cluster.entrance {
        manifests.push(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": container::GATEWAY_AUTHORITY, "namespace": namespace},
            "data": {container::AUTHORITY_KEY: address.authority},
        }));
    }
    manifests.push(deployment(cluster, &namespace));
    manifests
}

fn rights(cluster: &SelectedCluster<'_>, namespace: &str) -> Vec<Value> {
    let needed = |right: &Value| {
        let metadata = &right["metadata"];
        let of_tokens = metadata["namespace"] == TOKEN_NAMESPACE
            || metadata["name"] == TOKEN_NAMESPACE
            || metadata["name"] == REVIEWS;
        !of_tokens || cluster.handles_tokens()
    };
    let shipped = SHIPPED.iter().filter(|right| needed(right));
    let mut rights: Vec<_> = shipped.cloned().collect();
    let tokens = cluster.token_namespace();
    let renames = [(SHIPPED_NAMESPACE, namespace), (TOKEN_NAMESPACE, &tokens)];
    for right in &mut rights {
        place(right, &renames);
        if namespace != SHIPPED_NAMESPACE {
            set_apart(right, namespace);
        }
        prune(right);
    }
    // Namespaces come first, whatever the order in the file.
    rights.sort_by_key(|right| right["kind"] != "Namespace");
    rights
}

/// Puts the right into the namespaces of this cluster's agent.
fn place(right: &mut Value, renames: &[(&str, &str)]) {
    let rename = |namespace: &mut Value| {
        let known = renames.iter().find(|(from, _)| *namespace == *from);
        if let Some((_, to)) = known {
            *namespace = (*to).into();
        }
    };
    if right["kind"] == "Namespace" {
        rename(&mut right["metadata"]["name"]);
    }
    rename(&mut right["metadata"]["namespace"]);
    for subject in right["subjects"].as_array_mut().into_iter().flatten() {
        rename(&mut subject["namespace"]);
    }
}

/// Gives what belongs to no namespace a name of its own, because a cluster of several hubs has an agent
/// of each, and they must not change each other's rights.
fn set_apart(right: &mut Value, namespace: &str) {
    let own = |name: &mut Value| {
        if let Some(shipped) = name.as_str() {
            *name = format!("{shipped}:{namespace}").into();
        }
    };
    if right["kind"] == "ClusterRole" || right["kind"] == "ClusterRoleBinding" {
        own(&mut right["metadata"]["name"]);
        if right["kind"] == "ClusterRoleBinding" {
            own(&mut right["roleRef"]["name"]);
        }
    }
}

/// Removes null fields, because indexing an absent field inserts a null.
fn prune(right: &mut Value) {
    if let Some(fields) = right.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|_, field| !field.is_null());
        }
    }
}

fn deployment(cluster: &SelectedCluster<'_>, namespace: &str) -> Value {
    let labels = json!({"app.kubernetes.io/name": AGENT});
    let config = cluster
        .deployment_config()
        .map(|(_, config)| config)
        .unwrap_or_default();
    let placement = config.node_placement.clone().unwrap_or_default();
    let mut pod = json!({
        "serviceAccountName": AGENT,
        "securityContext": kubernetes::pod_security::pod(),
        "terminationGracePeriodSeconds": 30,
        "imagePullSecrets": image::pull_secrets(cluster),
        "containers": [container::agent(cluster, &config)],
        "volumes": container::volumes(cluster),
    });
    if !placement.node_selector.is_empty() {
        pod["nodeSelector"] = json!(placement.node_selector);
    }
    if !placement.tolerations.is_empty() {
        pod["tolerations"] = json!(placement.tolerations);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": AGENT, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            // Tunnels stay up through a rollout because the new agent attaches before the old one
            // drains.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
}
