//! The gateway's `APIService` on the hub. While no gateway answers it stays for as long as the
//! configuration says, because without it managed clusters seem to be deleted. Then it is withdrawn,
//! because a registered API that does not answer breaks discovery for everybody and blocks the
//! deletion of namespaces. It is withdrawn at once if the gateway's namespace is being deleted,
//! because soon nobody may be there to do that.

use crds::gateway::{GatewayConfigurationSpec, SINGLETON, Server, ServerDeployment};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::{api_service::key, server};
use crate::{
    kind::{Kind, ObjectKey},
    names::{SERVER, SERVICE},
    object::{deleting, is_ours},
    observed::{Observed, ServerSeen},
    plan::{Desired, Plan},
};

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
        Publication::Wanted => want(observed, spec, managed, plan),
        Publication::Kept { until, .. } => {
            // A server that comes back may have a certificate of another authority.
            want(observed, spec, managed, plan);
            plan.wake_at(until);
        }
        Publication::Withdrawn { why } => {
            let configuration = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
            if observed.object(&key).is_some()
                && let Some(object) = observed.object(&configuration)
            {
                let text = format!(
                    "the gateway is not ready ({why}); its APIService is withdrawn until the gateway answers"
                );
                plan.warn(&configuration, object, "GatewayGone", text);
            }
            plan.unwanted(observed, &key);
        }
        Publication::Foreign => {}
    }
}

fn want(
    observed: &Observed,
    spec: &GatewayConfigurationSpec,
    managed: Option<String>,
    plan: &mut Plan,
) {
    if let Some(body) = body(spec, managed) {
        plan.want(observed, Desired::new(key(), body));
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
    if let Some(why) = leaving(observed).or_else(|| homeless(observed)) {
        return Publication::Withdrawn { why };
    }
    let Some(server) = configuration.map(|it| &it.spec.server) else {
        return Publication::Withdrawn {
            why: "it is not configured".to_owned(),
        };
    };
    let Some((why, since)) = missing(observed, server) else {
        return Publication::Wanted;
    };
    if observed.object(&key()).is_none() {
        return Publication::Withdrawn { why };
    }
    let since = unavailable_since(observed).or(since).unwrap_or(now);
    let outage = SignedDuration::try_from(server.longest_outage());
    let until = since.checked_add(outage.unwrap_or(SignedDuration::MAX));
    match until.unwrap_or(Timestamp::MAX) {
        until if until > now => Publication::Kept { why, until },
        _ => Publication::Withdrawn { why },
    }
}

/// Why no gateway answers, and since when if the operator knows it. `None` if one does.
fn missing(observed: &Observed, server: &Server) -> Option<(String, Option<Timestamp>)> {
    if server.deployment == ServerDeployment::Managed {
        return missing_endpoint(observed, &server.namespace).map(|why| (why, None));
    }
    match &observed.server {
        ServerSeen::Ready(_) => None,
        ServerSeen::Unknown => Some(("it has not been checked yet".to_owned(), None)),
        ServerSeen::Unready { why, since } => Some((why.clone(), Some(*since))),
    }
}

/// Why the gateway cannot stay if its namespace is being deleted.
pub(super) fn leaving(observed: &Observed) -> Option<String> {
    let (namespace, object) = namespace(observed)?;
    deleting(object?)?;
    Some(format!(
        "its namespace {namespace} is being deleted; once that is gone, install again"
    ))
}

/// Why there can be no gateway if its namespace does not exist. An operator that outlives the
/// namespace must not register the API again.
fn homeless(observed: &Observed) -> Option<String> {
    let (namespace, object) = namespace(observed)?;
    object.is_none().then(|| {
        format!(
            "its namespace {namespace} does not exist; correct spec.server.namespace, or create the namespace \
             and install the gateway there"
        )
    })
}

/// The gateway's namespace by name, and its object.
fn namespace(observed: &Observed) -> Option<(&str, Option<&DynamicObject>)> {
    let name = &observed.configuration()?.spec.server.namespace;
    let key = ObjectKey::global(Kind::Namespace, name);
    Some((name, observed.object(&key)))
}

/// Since when the hub's aggregator has not reached a gateway, which outlasts this process.
fn unavailable_since(observed: &Observed) -> Option<Timestamp> {
    let status = observed.object(&key())?.data.get("status")?;
    let mut conditions = status["conditions"].as_array()?.iter();
    let available = conditions.find(|it| it["type"] == "Available" && it["status"] == "False")?;
    available["lastTransitionTime"].as_str()?.parse().ok()
}

/// Endpoints show at once what a probe would find out later.
fn missing_endpoint(observed: &Observed, namespace: &str) -> Option<String> {
    if server::has_ready_endpoint(observed, namespace) {
        return None;
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
    Some(format!("Deployment {namespace}/{SERVER}: {why}"))
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
        // The hub accepts no bundle beside true, so this has to be said.
        "insecureSkipTLSVerify": false,
        "groupPriorityMinimum": 5000,
        "versionPriority": 10,
    }}))
}
