//! Approves certificate requests on the hub, if the harness plays the approver.

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::refused;
use crate::gateway::GatewayError;

/// Approves the requests with these labels that are undecided and that `fits` accepts.
pub(super) async fn approve(
    hub: &Client,
    labels: &str,
    fits: impl Fn(&CertificateSigningRequest) -> bool,
) -> Result<(), GatewayError> {
    let requests = Api::<CertificateSigningRequest>::all(hub.clone());
    let pending = requests.list(&ListParams::default().labels(labels)).await;
    for request in pending.map_err(refused("CertificateSigningRequests"))? {
        if is_decided(&request) || !fits(&request) {
            continue;
        }
        let name = request.metadata.name.unwrap_or_default();
        let approval = json!({"status": {"conditions": [{
            "type": "Approved", "status": "True", "reason": "Fits",
            "message": "the request is the agent's own",
        }]}});
        requests
            .patch_approval(&name, &PatchParams::default(), &Patch::Merge(&approval))
            .await
            .map_err(refused(&name))?;
    }
    Ok(())
}

fn is_decided(request: &CertificateSigningRequest) -> bool {
    let status = request.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| !conditions.is_empty())
}
