//! What an agent learns when it asks for the health of its cluster: whether the gateway reaches it,
//! and since when it does not. The cluster itself may have named the address that the gateway
//! dialled, so the reason would tell a cluster what answers in the hub's network. Pure.

use crds::cluster_core::{
    ClusterAccess, ClusterEndpoint, ClusterGateway, ClusterGatewaySpec, ClusterGatewayStatus,
};
use kube::api::ObjectMeta;

/// The beginning of the words that say since when.
const SINCE: &str = "failing since ";

/// The object with what an agent may know of it.
pub(crate) fn for_agent(shown: &ClusterGateway) -> ClusterGateway {
    let access = &shown.spec.access;
    ClusterGateway {
        metadata: ObjectMeta {
            name: shown.metadata.name.clone(),
            resource_version: shown.metadata.resource_version.clone(),
            ..ObjectMeta::default()
        },
        spec: ClusterGatewaySpec {
            provider: String::new(),
            access: ClusterAccess {
                endpoint: ClusterEndpoint {
                    endpoint_type: access.endpoint.endpoint_type,
                    constant: None,
                },
                credential: access.credential.credential_type.into(),
            },
        },
        status: shown.status.as_ref().map(|status| ClusterGatewayStatus {
            healthy: status.healthy,
            healthy_reason: since(&status.healthy_reason),
            ..ClusterGatewayStatus::default()
        }),
    }
}

fn since(reason: &str) -> String {
    let (_, time) = reason.rsplit_once(SINCE).unwrap_or_default();
    let is_time = |each: char| each.is_ascii_digit() || "-:.TZ".contains(each);
    let time: String = time.chars().take_while(|each| is_time(*each)).collect();
    if time.is_empty() {
        String::new()
    } else {
        format!("{SINCE}{time}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_learns_whether_and_since_when_and_nothing_else() {
        let shown = |reason: &str| {
            let object = json!({
                "apiVersion": "cluster.core.oam.dev/v1alpha1", "kind": "ClusterGateway",
                "metadata": {"name": "managed1", "labels": {"env": "prod"}, "resourceVersion": "7"},
                "spec": {"access": {
                    "endpoint": {"type": "Const", "const": {
                        "address": "https://10.0.0.1:22", "caBundle": "Y2E=",
                    }},
                    "credential": {"type": "ServiceAccountToken"},
                }},
                "status": {"healthy": false, "healthyReason": reason},
            });
            let object: ClusterGateway = serde_json::from_value(object).unwrap();
            serde_json::to_value(for_agent(&object)).unwrap()
        };
        let refused = shown(
            "cannot connect to 10.0.0.1:22: Connection refused (failing since 2026-01-01T12:04:00Z)",
        );
        assert_eq!(
            refused["metadata"],
            json!({"name": "managed1", "resourceVersion": "7"})
        );
        assert_eq!(
            refused["spec"]["access"]["endpoint"],
            json!({"type": "Const"})
        );
        assert_eq!(
            refused["status"],
            json!({"healthy": false, "healthyReason": "failing since 2026-01-01T12:04:00Z"})
        );
        for reason in ["", "no token", "failing since the banner of 10.0.0.1"] {
            assert_eq!(
                shown(reason)["status"],
                json!({"healthy": false}),
                "{reason}"
            );
        }
    }
}
