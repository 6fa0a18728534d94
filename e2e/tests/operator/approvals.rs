//! Whose certificate requests the hub lets the operator approve, also if somebody has taken it over.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{Cluster, operator};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::hub::soon;

/// The signer of agents' certificates at the hub.
const CLIENTS: &str = "kubernetes.io/kube-apiserver-client";
const NODES: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// A request for the certificate of the agent of managed1.
const REQUEST: &str =
    include_str!("../../../operator/src/plan/enrolment/certificate/requests/managed1.csr");
const NOT_AN_AGENTS: &str =
    "may only approve and sign requests that a cluster's own registration agent has made";

/// Requests with the label of managed1: their names, who makes them, and for which signer.
const REFUSED: [(&str, [&str; 2], &str, &str); 4] = [
    ("a-persons", ["mallory", "team"], CLIENTS, NOT_AN_AGENTS),
    (
        "a-strangers",
        ["system:open-cluster-management:managed1:agent-1", "team"],
        CLIENTS,
        NOT_AN_AGENTS,
    ),
    (
        "a-neighbours",
        [
            "system:open-cluster-management:managed2:agent-1",
            "system:open-cluster-management:managed2",
        ],
        CLIENTS,
        NOT_AN_AGENTS,
    ),
    ("a-nodes", AGENT, NODES, "not permitted to approve"),
];
const AGENT: [&str; 2] = [
    "system:open-cluster-management:managed1:agent-1",
    "system:open-cluster-management:managed1",
];

pub(super) async fn an_operator_that_was_taken_over_approves_only_what_agents_request_for_their_signers(
    hub: &Cluster,
) {
    for (name, requester, signer, _) in REFUSED {
        request(hub, name, requester, signer).await;
    }
    request(hub, "an-agents", AGENT, CLIENTS).await;
    let thief = Api::all(hub.client_as(operator::USER, &[]).unwrap());
    // The API server compiles policies in the background.
    let refuse = || async {
        let done = approve(&thief, "a-persons").await;
        done.map_or_else(Ok, |()| Err("a request of somebody else was approved"))
    };
    soon("approvals are judged", refuse).await;
    for (name, _, _, words) in REFUSED {
        let refused = approve(&thief, name).await.unwrap_err();
        assert!(refused.contains(words), "{name}: {refused}");
    }
    approve(&thief, "an-agents").await.unwrap();
}

/// A user with this name and group requests a certificate.
async fn request(hub: &Cluster, name: &str, [user, group]: [&str; 2], signer: &str) {
    let request = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "labels": {"open-cluster-management.io/cluster-name": "managed1"}},
        "spec": {"request": STANDARD.encode(REQUEST), "signerName": signer, "usages": ["client auth"]},
    });
    let (user, group) = (format!("--as={user}"), format!("--as-group={group}"));
    let create = [
        "create",
        "-f",
        "-",
        &user,
        &group,
        "--as-group=system:masters",
    ];
    let created = hub.kubectl(&create).stdin(request.to_string()).ok().await;
    created.unwrap();
}

/// Approves a request as the operator does.
async fn approve(requests: &Api<CertificateSigningRequest>, name: &str) -> Result<(), String> {
    let approval: Value = json!({"status": {"conditions": [{
        "type": "Approved", "status": "True", "reason": "Stolen", "message": "by a thief",
    }]}});
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&approval));
    let approved = requests.patch_approval(name, &parameters, &patch).await;
    approved.map(drop).map_err(|error| error.to_string())
}
