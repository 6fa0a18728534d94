//! A failed write as a message: which object, what the hub answered, what to do.

use std::time::Duration;

use kubernetes::words::clipped;
use runtime::causes::chain;

use crate::{kind::ObjectKey, plan::Action};

/// A write that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WriteError {
    /// The object that was written.
    pub(crate) object: ObjectKey,
    /// The reason in one word, as conditions use it.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// How long the hub asks to wait before the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

impl WriteError {
    pub(crate) fn new(action: &Action, error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self {
                object: action.object().clone(),
                reason: "HubUnreachable",
                message: clipped(&format!("{}: {}", describe(action), chain(error))),
                retry_after: None,
            };
        };
        let details = status.details.as_ref();
        let seconds = details.map_or(0, |details| details.retry_after_seconds);
        let reason = match status.code {
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            422 => "Invalid",
            429 => "TooManyRequests",
            _ => "Refused",
        };
        Self {
            object: action.object().clone(),
            reason,
            message: clipped(&format!("{}: {}", describe(action), status.message)),
            retry_after: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
        }
    }

    pub(crate) fn late(action: &Action, deadline: Duration) -> Self {
        let seconds = deadline.as_secs();
        Self {
            object: action.object().clone(),
            reason: "TimedOut",
            message: format!(
                "{}: the hub did not answer within {seconds} s",
                describe(action)
            ),
            retry_after: None,
        }
    }
}

fn describe(action: &Action) -> String {
    match action {
        Action::Apply(desired) => format!("cannot write {}", desired.key),
        Action::ApplyStatus(desired) => format!("cannot write the status of {}", desired.key),
        Action::Patch { object, .. } => format!("cannot patch {}", object.key),
        Action::Delete { key, .. } => format!("cannot delete {key}"),
        Action::Issue { key, .. } => format!("cannot create the keys of {key}"),
        Action::Sign { request, .. } => {
            format!("cannot sign CertificateSigningRequest {}", request.key.name)
        }
        Action::Approve { request, .. } => {
            format!(
                "cannot approve CertificateSigningRequest {}",
                request.key.name
            )
        }
    }
}
