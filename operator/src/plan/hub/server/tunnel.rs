//! What the gateway's own entrance for agents needs: authorities for their certificates, the bundle
//! that the gateway verifies these with, and a load balancer.

use crds::gateway::{EntrypointType, GatewayConfigurationSpec, ServerDeployment};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::json;

use super::{deployment::labels, keys::authorities};
use crate::{
    kind::{Kind, ObjectKey},
    names::{TUNNEL_AUTHORITY, TUNNEL_BUNDLE, TUNNEL_CLIENTS},
    observed::Observed,
    plan::{
        Desired, Plan,
        entrance::{self, PORT},
        pki::text,
    },
};

/// Plans the authorities, and returns the other objects.
pub(super) fn plan(
    observed: &Observed,
    spec: &GatewayConfigurationSpec,
    now: Timestamp,
    plan: &mut Plan,
) -> Vec<Desired> {
    let mut wanted = Vec::new();
    if !entrance::is_wanted(spec) {
        return wanted;
    }
    let [authority, clients] = keys(&spec.server.namespace);
    let found = observed.object(&clients);
    let trusted = found.and_then(|secret| text(secret, TUNNEL_BUNDLE));
    if let Some(authorities) = authorities(observed, &authority, trusted.as_deref(), now, plan) {
        let bundle = ByteString(authorities.bundle().into_bytes());
        let body = json!({"type": "Opaque", "data": {TUNNEL_BUNDLE: bundle}});
        wanted.push(Desired::new(clients, body));
    }
    let is_managed = spec.server.deployment == ServerDeployment::Managed;
    if is_managed && spec.egress.entrypoint.kind == EntrypointType::LoadBalancer {
        wanted.push(load_balancer(spec));
    }
    wanted
}

/// The Secrets that stay while the entrance exists.
pub(super) fn keys(namespace: &str) -> [ObjectKey; 2] {
    [TUNNEL_AUTHORITY, TUNNEL_CLIENTS].map(|name| ObjectKey::new(Kind::Secret, namespace, name))
}

fn load_balancer(spec: &GatewayConfigurationSpec) -> Desired {
    let annotations = &spec.egress.entrypoint.load_balancer.annotations;
    let port = entrance::port(spec);
    let body = json!({
        "metadata": {"annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "selector": labels(),
            "ports": [{"name": "tunnel", "port": port, "protocol": "TCP", "targetPort": PORT}],
        },
    });
    Desired::new(entrance::service(&spec.server.namespace), body)
}
