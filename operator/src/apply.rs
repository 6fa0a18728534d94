//! Carries out one write with one call and reports the outcome. Decides nothing.

pub(crate) mod events;
mod issue;
mod write_error;

use std::time::Duration;

use crds::addon;
use jiff::Timestamp;
use k8s_openapi::{ByteString, api::certificates::v1::CertificateSigningRequest};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::DynamicObject,
};
use serde_json::{Value, json};
use tokio::time::timeout;

pub(crate) use self::write_error::WriteError;
use crate::{
    kind::{Kind, ObjectKey},
    metrics::Metrics,
    names::MANAGER,
    plan::{Action, Desired, Part, Seen, pki::Signature},
};

/// The deadline of one call.
const DEADLINE: Duration = Duration::from_secs(15);

/// What writes need: a client and what the process shares.
#[derive(Clone)]
pub(crate) struct Hands {
    pub(crate) client: Client,
    pub(crate) addons: addon::Version,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) metrics: Metrics,
}

/// The outcome of a write.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The object has this state now.
    Is(Kind, Box<DynamicObject>),
    /// The object of this uid no longer exists.
    Gone { key: ObjectKey, uid: String },
    /// The new state is not known. The watch will bring it.
    Unknown,
}

impl Hands {
    /// Makes the writes in order, up to the first that fails or finds its object gone.
    pub(crate) async fn perform(&self, actions: &[Action]) -> (Vec<Outcome>, Option<WriteError>) {
        let mut outcomes = Vec::new();
        for action in actions {
            let written = match timeout(DEADLINE, self.act(action)).await {
                Ok(Ok(outcome)) => Ok(outcome),
                Ok(Err(error)) => Err(WriteError::new(action, &error)),
                Err(_) => Err(WriteError::late(action, DEADLINE)),
            };
            let reason = written.as_ref().err().map(|error| error.reason);
            self.metrics.wrote(action.kind(), reason);
            match written {
                Ok(outcome) => {
                    let is_outdated = is_outdated(action, &outcome);
                    outcomes.push(outcome);
                    if is_outdated {
                        break;
                    }
                }
                Err(error) => return (outcomes, Some(error)),
            }
        }
        (outcomes, None)
    }

    async fn act(&self, action: &Action) -> kube::Result<Outcome> {
        match action {
            Action::Apply(desired) => self.apply(desired, Part::Object).await,
            Action::ApplyStatus(desired) => {
                let applied = self.apply(desired, Part::Status).await;
                match &desired.of {
                    Some(object) => or_gone(object, applied),
                    None => applied,
                }
            }
            Action::Patch {
                object,
                part,
                patch,
            } => or_gone(object, self.patch(object, *part, patch).await),
            Action::Delete { key, uid } => self.delete(key, uid).await,
            Action::Approve { request, message } => {
                or_gone(request, self.approve(request, message).await)
            }
            Action::Sign { request, signature } => {
                or_gone(request, self.sign(request, signature).await)
            }
            Action::Issue { key, issue } => {
                let body = issue::secret(&key.name, issue, (self.clock)())
                    .map_err(|error| kube::Error::Service(Box::new(error)))?;
                let desired = Desired::new(key.clone(), body);
                self.apply(&desired, Part::Object).await
            }
        }
    }

    async fn apply(&self, desired: &Desired, part: Part) -> kube::Result<Outcome> {
        let parameters = PatchParams::apply(MANAGER).force();
        let manifest = Patch::Apply(desired.manifest(self.addons));
        let (api, name) = (self.api(&desired.key), &desired.key.name);
        let applied = match part {
            Part::Object => api.patch(name, &parameters, &manifest).await,
            Part::Status => api.patch_status(name, &parameters, &manifest).await,
        };
        is(&desired.key, applied)
    }

    async fn patch(&self, object: &Seen, part: Part, patch: &Value) -> kube::Result<Outcome> {
        let Seen {
            key,
            resource_version,
            ..
        } = object;
        let mut patch = patch.clone();
        patch["metadata"]["resourceVersion"] = resource_version.as_str().into();
        let parameters = merging();
        let (api, patch) = (self.api(key), Patch::Merge(patch));
        let patched = match part {
            Part::Object => api.patch(&key.name, &parameters, &patch).await,
            Part::Status => api.patch_status(&key.name, &parameters, &patch).await,
        };
        is(key, patched)
    }

    async fn delete(&self, key: &ObjectKey, uid: &str) -> kube::Result<Outcome> {
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        match self.api(key).delete(&key.name, &parameters).await {
            Ok(answer) => Ok(match answer.left() {
                Some(object) if object.metadata.finalizers.is_some() => {
                    Outcome::Is(key.kind, Box::new(object))
                }
                _ => gone(key, uid),
            }),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(gone(key, uid)),
            Err(error) => Err(error),
        }
    }

    async fn approve(&self, of: &Seen, message: &str) -> kube::Result<Outcome> {
        let approval = json!({"metadata": of.metadata(), "status": {"conditions": [{
            "type": "Approved", "status": "True", "reason": "AddOnAgent", "message": message,
        }]}});
        let (requests, approval) = (self.requests(), Patch::Merge(&approval));
        let approved = requests
            .patch_approval(&of.key.name, &merging(), &approval)
            .await;
        request(approved?)
    }

    async fn sign(&self, of: &Seen, signature: &Signature) -> kube::Result<Outcome> {
        let pem = issue::certificate(signature, (self.clock)())
            .map_err(|error| kube::Error::Service(Box::new(error)))?;
        let certificate = ByteString(pem.into_bytes());
        let status = json!({"certificate": certificate});
        let signed = Patch::Merge(json!({"metadata": of.metadata(), "status": status}));
        let requests = self.requests();
        request(
            requests
                .patch_status(&of.key.name, &merging(), &signed)
                .await?,
        )
    }

    fn requests(&self) -> Api<CertificateSigningRequest> {
        Api::all(self.client.clone())
    }

    fn api(&self, key: &ObjectKey) -> Api<DynamicObject> {
        let resource = key.kind.resource(self.addons);
        if key.kind.is_namespaced() {
            Api::namespaced_with(self.client.clone(), &key.namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }
}

fn gone(key: &ObjectKey, uid: &str) -> Outcome {
    Outcome::Gone {
        key: key.clone(),
        uid: uid.to_owned(),
    }
}

/// What a write to an existing object found.
fn or_gone(object: &Seen, written: kube::Result<Outcome>) -> kube::Result<Outcome> {
    match written {
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            Ok(gone(&object.key, &object.uid))
        }
        other => other,
    }
}

/// True if the object of the write was gone, so that the writes after it were planned for a state that
/// is no longer. Whoever deletes an object expects that it is gone.
fn is_outdated(action: &Action, outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Gone { .. }) && !matches!(action, Action::Delete { .. })
}

fn merging() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn request(written: CertificateSigningRequest) -> kube::Result<Outcome> {
    let written = serde_json::to_value(written).map_err(kube::Error::SerdeError)?;
    let object = serde_json::from_value(written).map_err(kube::Error::SerdeError)?;
    let kind = Kind::CertificateSigningRequest;
    Ok(Outcome::Is(kind, Box::new(object)))
}

/// The object after a write. An object that was being deleted may be gone with its last finalizer.
fn is(key: &ObjectKey, written: kube::Result<DynamicObject>) -> kube::Result<Outcome> {
    let object = written?;
    let metadata = &object.metadata;
    let finalizers = metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
    if metadata.deletion_timestamp.is_some() && finalizers {
        return Ok(Outcome::Unknown);
    }
    Ok(Outcome::Is(key.kind, Box::new(object)))
}

/// The Secret, for a model of the hub in tests.
#[cfg(test)]
pub(crate) fn secret_for_tests(
    name: &str,
    issue: &crate::plan::pki::Issue,
    now: Timestamp,
) -> Value {
    issue::secret(name, issue, now).expect("keys can be made")
}

/// The certificate, for a model of the hub in tests.
#[cfg(test)]
pub(crate) fn certificate_for_tests(signature: &Signature, now: Timestamp) -> String {
    issue::certificate(signature, now).expect("requests can be signed")
}
