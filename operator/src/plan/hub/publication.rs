//! The gateway's `APIService` on the hub. It is withdrawn while no gateway answers, because a
//! registered API that does not answer breaks discovery for everybody and blocks the deletion of
//! namespaces. It is withdrawn at once if the gateway's namespace is being deleted, because soon
//! nobody may be there to do that.

use crds::gateway::{GatewayConfigurationSpec, ServerDeployment};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::{api_service::key, server};
use crate::{
    kind::{Kind, ObjectKey},
    names::{SERVER, SERVICE},
    object::{deleting, is_ours},
    observed::{Observed, ServerSeen},
    plan::{Desired, Plan},
};

/// If a gateway is away for less than this, for example while it restarts, its API stays
/// registered.
const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// Whether the gateway's API is registered, and if not, why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Publication {
    Wanted,
    /// It stays registered for now. The gateway has not answered since this time.
    Kept {
        why: String,
        until: Timestamp,
    },
    Withdrawn {
        why: String,
    },
    /// It belongs to somebody else.
    Foreign,
}

pub(super) fn plan(
    observed: &Observed,
    spec: &GatewayConfigurationSpec,
    managed: Option<String>,
    now: Timestamp,
    plan: &mut Plan,
) {
    let key = key();
    match publication(observed, now) {
        Publication::Wanted => {
            if let Some(body) = body(spec, managed) {
                plan.want(observed, Desired::new(key, body));
            }
        }
        Publication::Kept { until, .. } => plan.wake_at(until),
        Publication::Withdrawn { why } => {
            if let Some(object) = observed.object(&key) {
                let text = format!(
                    "the gateway is not ready ({why}); its APIService is withdrawn until the gateway answers"
                );
                plan.warn(&key, object, "GatewayGone", text);
            }
            plan.unwanted(observed, &key);
        }
        Publication::Foreign => {}
    }
}

/// Decides whether the gateway's API is registered.
pub(crate) fn publication(observed: &Observed, now: Timestamp) -> Publication {
    if observed
        .object(&key())
        .is_some_and(|object| !is_ours(object))
    {
        return Publication::Foreign;
    }
    let configuration = observed.configuration();
    if let Some(why) = leaving(observed) {
        return Publication::Withdrawn { why };
    }
    if let Some(server) = configuration.map(|it| &it.spec.server)
        && server.deployment == ServerDeployment::Managed
    {
        return of_managed(observed, &server.namespace);
    }
    let is_there = observed.object(&key()).is_some();
    match &observed.server {
        ServerSeen::Ready(_) => Publication::Wanted,
        ServerSeen::Unknown if is_there => Publication::Kept {
            why: "it has not been checked yet".to_owned(),
            until: now + GRACE,
        },
        ServerSeen::Unknown => Publication::Withdrawn {
            why: "it has not been checked yet".to_owned(),
        },
        ServerSeen::Unready { why, since } => {
            let until = since.checked_add(GRACE).unwrap_or(*since);
            let why = why.clone();
            if is_there && until > now {
                Publication::Kept { why, until }
            } else {
                Publication::Withdrawn { why }
            }
        }
    }
}

/// Why the gateway cannot stay if its namespace is being deleted.
pub(super) fn leaving(observed: &Observed) -> Option<String> {
    let namespace = &observed.configuration()?.spec.server.namespace;
    let key = ObjectKey::global(Kind::Namespace, namespace);
    deleting(observed.object(&key)?)?;
    Some(format!(
        "its namespace {namespace} is being deleted; once that is gone, install again"
    ))
}

/// Endpoints show at once what a probe would find out later.
fn of_managed(observed: &Observed, namespace: &str) -> Publication {
    if server::has_ready_endpoint(observed, namespace) {
        return Publication::Wanted;
    }
    let key = ObjectKey::new(Kind::Deployment, namespace, SERVER);
    let status = observed.object(&key).and_then(|it| it.data.get("status"));
    let why = status
        .and_then(|status| status["conditions"].as_array())
        .into_iter()
        .flatten()
        .find(|it| it["type"] == "Available" || it["type"] == "ReplicaFailure")
        .and_then(|it| it["message"].as_str())
        .unwrap_or("none of its Pods is ready yet");
    Publication::Withdrawn {
        why: format!("Deployment {namespace}/{SERVER}: {why}"),
    }
}

fn body(spec: &GatewayConfigurationSpec, managed: Option<String>) -> Option<Value> {
    let server = &spec.server;
    let (service, port, bundle) = match server.deployment {
        ServerDeployment::External => {
            let external = server.external.as_ref()?;
            let bundle = json!(external.ca_bundle);
            (external.service.as_str(), external.port, bundle)
        }
        ServerDeployment::Managed => (SERVICE, 443, json!(ByteString(managed?.into_bytes()))),
    };
    Some(json!({"spec": {
        "group": crds::cluster_core::GROUP,
        "version": crds::cluster_core::VERSION,
        "service": {"namespace": server.namespace, "name": service, "port": port},
        "caBundle": bundle,
        "groupPriorityMinimum": 5000,
        "versionPriority": 10,
    }}))
}
