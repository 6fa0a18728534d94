//! Certificate requests of a cluster's agent. A request is approved if it asks for exactly the
//! agent's name, and otherwise left alone. Requests for the gateway's own entrance are also signed.

mod request;

use crds::addon::{CLIENT_SIGNER, Driver, Subject};
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition,
};

use self::request::Identity;
pub(crate) use self::request::fuzz;
use super::{
    registration::{subject, tunnel_subject},
    selected_cluster::SelectedCluster,
    telling,
};
use crate::{
    kind::Kind,
    names::{GATEWAY, TUNNEL_SIGNER},
    plan::{
        Action, Plan, Seen,
        pki::{Pair, Signature, client_seconds},
    },
};

pub(super) fn plan(cluster: &SelectedCluster<'_>, plan: &mut Plan) {
    let (at_hub, at_gateway) = (at_hub(cluster), at_gateway(cluster));
    let unit = cluster.signer.as_ref().map(Pair::fingerprint);
    let kind = Kind::CertificateSigningRequest;
    for (key, object) in cluster.observed.within(kind, cluster.name) {
        let Ok(request) = object.clone().try_parse::<CertificateSigningRequest>() else {
            continue;
        };
        let is_ours_to_sign = request.spec.signer_name == TUNNEL_SIGNER;
        let (signer, subject, unit) = if is_ours_to_sign {
            (TUNNEL_SIGNER, &at_gateway, unit.as_deref())
        } else {
            (CLIENT_SIGNER, &at_hub, None)
        };
        let (Some(subject), Some(step)) = (subject, step(&request, is_ours_to_sign)) else {
            continue;
        };
        let identity = Identity {
            cluster: cluster.name,
            addon: GATEWAY,
            signer,
            subject,
            unit,
        };
        if let Err(unfit) = identity.fits(&request) {
            let text = format!("{key} is not approved: {unfit}");
            telling::warn(cluster.observed, cluster.name, "RequestUnfit", &text, plan);
            continue;
        }
        let judged = Seen::of(key, object);
        let action = match step {
            Step::Approve => Some(Action::Approve {
                request: judged,
                message: format!(
                    "the agent of {} requests a certificate for its own name",
                    cluster.name
                ),
            }),
            Step::Sign => signature(cluster, subject, &request).map(|signature| Action::Sign {
                request: judged,
                signature,
            }),
        };
        plan.actions.extend(action);
    }
}

/// The next step for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Approve,
    /// The request is approved, no matter by whom. It is signed only if it matches the agent.
    Sign,
}

/// `None` if the request was denied, has failed, or has its certificate.
fn step(request: &CertificateSigningRequest, is_ours_to_sign: bool) -> Option<Step> {
    let status = request.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let is_approval = |it: &CertificateSigningRequestCondition| it.type_ == "Approved";
    match conditions.as_slice() {
        [] => Some(Step::Approve),
        all if is_ours_to_sign && status.certificate.is_none() => {
            all.iter().all(is_approval).then_some(Step::Sign)
        }
        _ => None,
    }
}

/// The names that the agent may have at the hub. Only names that the operator wrote itself are
/// accepted, because the managed cluster may write the add-on's status too.
fn at_hub(cluster: &SelectedCluster<'_>) -> Option<Subject> {
    let (_, status) = cluster.row()?;
    let own = subject(cluster.name);
    let registered = status.kube_client()?;
    let is_own = registered.driver != Some(Driver::Token) && registered.subject == own;
    is_own.then_some(own)
}

/// The names that the agent may have at the gateway's own entrance.
fn at_gateway(cluster: &SelectedCluster<'_>) -> Option<Subject> {
    let signer = cluster.signer.as_ref();
    signer.map(|_| tunnel_subject(cluster.name))
}

/// The certificate to issue.
fn signature(
    cluster: &SelectedCluster<'_>,
    subject: &Subject,
    request: &CertificateSigningRequest,
) -> Option<Signature> {
    Some(Signature {
        signer: cluster.signer.clone()?,
        user: subject.user.clone(),
        request: String::from_utf8(request.spec.request.0.clone()).ok()?,
        seconds: client_seconds(request.spec.expiration_seconds),
    })
}

/// A request by the registration agent of `cluster` for the agent of the cluster `of`.
#[cfg(test)]
pub(crate) fn request_for_tests(cluster: &str, of: &str) -> CertificateSigningRequest {
    let pem = match of {
        "managed1" => include_str!("certificate/requests/managed1.csr"),
        _ => include_str!("certificate/requests/managed2.csr"),
    };
    request::tests::request_of(cluster, pem.to_owned())
}

/// The same request for the gateway's own entrance.
#[cfg(test)]
pub(crate) fn tunnel_request_for_tests(
    cluster: &str,
    of: &str,
    unit: &str,
) -> CertificateSigningRequest {
    let subject = tunnel_subject(of);
    let asked = request::tests::Asked {
        unit: Some(unit),
        ..request::tests::Asked::of(&subject)
    };
    let mut request = request::tests::request(cluster, asked);
    TUNNEL_SIGNER.clone_into(&mut request.spec.signer_name);
    request
}
