//! Certificate requests of a cluster's agent: granted where they ask for exactly its name, and left
//! alone otherwise.

mod request;

use crds::addon::Driver;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;

use self::request::Identity;
use super::{registration::subject, site::Site};
use crate::{
    kind::Kind,
    names::GATEWAY,
    plan::{Action, Plan},
};

pub(super) fn plan(site: &Site<'_>, plan: &mut Plan) {
    let Some((_, status)) = site.row() else {
        return;
    };
    // Only what we wrote ourselves is granted: the managed cluster may write its row's status, too.
    let own = subject(site.cluster);
    let registered = status.kube_client();
    let is_own = registered
        .is_some_and(|client| client.driver != Some(Driver::Token) && client.subject == own);
    if !is_own {
        return;
    }
    let identity = Identity {
        cluster: site.cluster,
        addon: GATEWAY,
        subject: &own,
    };
    for (key, object) in site
        .observed
        .within(Kind::CertificateSigningRequest, site.cluster)
    {
        let Ok(request) = object.clone().try_parse::<CertificateSigningRequest>() else {
            continue;
        };
        let conditions = request
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        if conditions.is_some_and(|conditions| !conditions.is_empty()) {
            continue;
        }
        match identity.fits(&request) {
            Ok(()) => plan.actions.push(Action::Approve {
                name: key.name.clone(),
                message: format!(
                    "the request of the agent of {} for its own name",
                    site.cluster
                ),
            }),
            Err(unfit) => {
                let text = format!("left alone: {unfit}");
                plan.tell(key, object, true, ("RequestUnfit", text));
            }
        }
    }
}

/// A request that the registration agent of `cluster` makes for the agent of another.
#[cfg(test)]
pub(crate) fn request_for_tests(cluster: &str, of: &str) -> CertificateSigningRequest {
    let pem = match of {
        "managed1" => include_str!("certificate/requests/managed1.csr"),
        _ => include_str!("certificate/requests/managed2.csr"),
    };
    request::tests::request_of(cluster, pem.to_owned())
}
