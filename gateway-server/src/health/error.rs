//! Why a report of health is refused, as an API server would say it.

use std::time::Duration;

use crds::{ClusterName, cluster_core::API_VERSION};
use http::StatusCode;

use crate::status::Refusal;

/// An object with the largest CA bundle that a Secret can hold is smaller than this.
pub(super) const LARGEST: usize = 2 << 20;
/// How long a caller may take to send it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long the hub may take to write a report.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The body is no report.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum EditError {
    #[error("the body has more than {LARGEST} bytes")]
    TooLarge,
    #[error("the JSON patch has too many operations")]
    TooManyOperations,
    #[error("the body did not come within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("the body ended before it was complete")]
    Incomplete,
    #[error("the body of the request was in an unknown format {said:?}; accepted are {known}")]
    Media { said: String, known: &'static str },
    #[error("the body cannot be read: {0}")]
    Malformed(String),
    #[error("the body is a {kind:?} of {api_version:?}, and not a ClusterGateway of {API_VERSION}")]
    OtherKind { kind: String, api_version: String },
    #[error("the name of the object ({name}) does not match the name on the URL ({wanted})")]
    OtherName { name: String, wanted: String },
    #[error("the JSON patch cannot be applied: {0}")]
    Unpatchable(String),
    #[error("{field}: {fault}")]
    Invalid { field: &'static str, fault: String },
    #[error("dryRun {0:?} is not All")]
    DryRun(String),
}

impl EditError {
    /// The answer to the caller.
    pub(crate) fn refusal(&self, cluster: &ClusterName) -> Refusal {
        let (code, reason) = match self {
            Self::TooLarge | Self::TooManyOperations => {
                (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge")
            }
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "Timeout"),
            Self::Media { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
            Self::Incomplete
            | Self::Malformed(_)
            | Self::OtherKind { .. }
            | Self::OtherName { .. }
            | Self::DryRun(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            Self::Unpatchable(_) | Self::Invalid { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Invalid")
            }
        };
        let refusal = Refusal::new(code, reason, self.to_string()).of_cluster(cluster);
        match self {
            Self::Invalid { field, fault } => refusal.field(field, fault),
            _ => refusal,
        }
    }
}

/// The report was not written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(
        "the health of {0} has been changed since it was read; please get it again, and apply your changes to that"
    )]
    Conflict(String),
    #[error("Secret {secret} is gone")]
    Gone { secret: String },
    #[error(
        "the gateway may not patch Secret {secret} on the hub; apply config/gateway/rbac.yaml again: {said}"
    )]
    Forbidden { secret: String, said: String },
    #[error("the hub refuses the change of Secret {secret}: {said}")]
    Refused { secret: String, said: String },
    #[error("the hub has too much to do to change Secret {secret}")]
    Busy { secret: String },
    #[error("the hub did not change Secret {secret} within {} s", DEADLINE.as_secs())]
    Deadline { secret: String },
    #[error("cannot ask the hub to change Secret {secret}: {said}")]
    Unreached { secret: String, said: String },
}

impl WriteError {
    pub(super) fn of(error: kube::Error, secret: String) -> Self {
        let status = match error {
            kube::Error::Api(status) => status,
            other => {
                let said = other.to_string();
                return Self::Unreached { secret, said };
            }
        };
        let said = status.message;
        match status.code {
            403 => Self::Forbidden { secret, said },
            404 => Self::Gone { secret },
            409 => Self::Conflict(secret),
            429 => Self::Busy { secret },
            400..500 => Self::Refused { secret, said },
            _ => Self::Unreached { secret, said },
        }
    }

    /// The answer to the caller.
    pub(crate) fn refusal(&self, cluster: &ClusterName) -> Refusal {
        let (code, reason) = match self {
            Self::Conflict(_) => (StatusCode::CONFLICT, "Conflict"),
            Self::Gone { .. } => (StatusCode::NOT_FOUND, "NotFound"),
            Self::Forbidden { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Self::Refused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
            Self::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
            Self::Deadline { .. } => (StatusCode::GATEWAY_TIMEOUT, "Timeout"),
            Self::Unreached { .. } => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        };
        let refusal = Refusal::new(code, reason, self.to_string()).of_cluster(cluster);
        match self {
            Self::Busy { .. } | Self::Deadline { .. } | Self::Unreached { .. } => {
                refusal.retry_after(1)
            }
            _ => refusal,
        }
    }
}
