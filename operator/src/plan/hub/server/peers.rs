//! What the replicas need to answer as one gateway: certificates by which they know each other, and
//! the right to read each other's addresses. Their Service is beside their Deployment.

use crds::gateway::GatewayConfigurationSpec;
use jiff::Timestamp;
use serde_json::json;

use super::keys::authorities;
use crate::{
    kind::{Kind, ObjectKey, RBAC},
    names::{PEER_AUTHORITY, PEERS, SERVER},
    observed::Observed,
    plan::{
        Action, Desired, Plan,
        pki::{
            peer::{self, BUNDLE},
            text,
        },
    },
};

/// The port at which a replica accepts what others pass to it.
pub(super) const PORT: u16 = 9445;
/// Where the Secret is mounted in the server's container.
pub(super) const DIRECTORY: &str = "/etc/spokeway/peers";

/// Plans both Secrets, and returns the binding of the server's rights.
pub(super) fn plan(
    observed: &Observed,
    spec: &GatewayConfigurationSpec,
    now: Timestamp,
    plan: &mut Plan,
) -> Desired {
    let namespace = &spec.server.namespace;
    let [authority, peers] = keys(namespace);
    let secret = observed.object(&peers);
    let trusted = secret.and_then(|secret| text(secret, BUNDLE));
    if let Some(authorities) = authorities(observed, &authority, trusted.as_deref(), now, plan) {
        match peer::next(secret, &authorities, now) {
            Ok(look_again) => plan.wake_at(look_again),
            Err(issue) => plan.actions.push(Action::Issue { key: peers, issue }),
        }
    }
    rights(namespace)
}

/// The Secrets that stay while the operator runs the server.
pub(super) fn keys(namespace: &str) -> [ObjectKey; 2] {
    [PEER_AUTHORITY, PEERS].map(|name| ObjectKey::new(Kind::Secret, namespace, name))
}

pub(super) fn arguments(namespace: &str) -> [String; 5] {
    [
        format!("--peer-port={PORT}"),
        format!("--peer-cert-file={DIRECTORY}/tls.crt"),
        format!("--peer-private-key-file={DIRECTORY}/tls.key"),
        format!("--peer-ca-file={DIRECTORY}/{BUNDLE}"),
        format!("--peer-service={namespace}/{PEERS}"),
    ]
}

fn rights(namespace: &str) -> Desired {
    let name = format!("{SERVER}-peers");
    let key = ObjectKey::new(Kind::RoleBinding, namespace, &name);
    let subject = json!({"kind": "ServiceAccount", "name": SERVER, "namespace": namespace});
    let binding = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}, "subjects": [subject],
    });
    Desired::new(key, binding)
}
