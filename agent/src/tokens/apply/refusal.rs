//! Failed calls as reasons and messages of conditions: which server, which step, what to do.

use jiff::SignedDuration;
use kubernetes::words::clipped;

use crate::tokens::{
    outcome::Refusal,
    plan::{SECRET_CONFLICT, SERVICE_ACCOUNT_CONFLICT},
    seen::Step,
};

/// How often a Secret without the label is looked at again. It cannot be watched.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// A failed call, as kube reports it.
pub(crate) fn refused(step: Step, error: &kube::Error) -> Refusal {
    let kube::Error::Api(status) = error else {
        // The error's own text names the request, and some requests contain a token.
        let cause =
            std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        return broken(step, &cause);
    };
    let pause = status
        .details
        .as_ref()
        .map(|details| details.retry_after_seconds)
        .filter(|seconds| *seconds > 0);
    Refusal {
        reason: match status.code {
            401 => "Unauthorized",
            403 => "Forbidden",
            409 => "Conflict",
            429 => "TooManyRequests",
            _ => "TokenReportFailed",
        },
        message: clipped(&format!(
            "{} ({}): {}",
            server(step),
            step.name(),
            status.message
        )),
        pause: pause.map(|seconds| SignedDuration::from_secs(seconds.into())),
    }
}

/// A missing or invalid answer.
pub(crate) fn broken(step: Step, cause: &str) -> Refusal {
    let reason = if step.is_of_spoke() {
        "ClusterUnreachable"
    } else {
        "HubUnreachable"
    };
    Refusal {
        reason,
        message: clipped(&format!("{} ({}): {cause}", server(step), step.name())),
        pause: None,
    }
}

pub(super) fn no_namespace(namespace: &str) -> Refusal {
    Refusal {
        reason: "NamespaceMissing",
        message: format!("namespace {namespace} does not exist on the managed cluster; create it"),
        pause: Some(SignedDuration::from_secs(2)),
    }
}

pub(super) fn foreign_service_account(namespace: &str, name: &str) -> Refusal {
    Refusal {
        reason: SERVICE_ACCOUNT_CONFLICT,
        message: format!(
            "ServiceAccount {namespace}/{name} of the managed cluster belongs to somebody else and \
             is not used; delete it, or choose another name"
        ),
        pause: Some(LOOK_AGAIN),
    }
}

pub(super) fn foreign_secret(namespace: &str, name: &str) -> Refusal {
    Refusal {
        reason: SECRET_CONFLICT,
        message: format!(
            "Secret {namespace}/{name} belongs to somebody else and is not changed; delete it, or \
             choose another name"
        ),
        pause: Some(LOOK_AGAIN),
    }
}

fn server(step: Step) -> &'static str {
    if step.is_of_spoke() {
        "managed cluster"
    } else {
        "hub"
    }
}
