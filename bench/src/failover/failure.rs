//! What a caller saw instead of an answer, in categories that can be counted. Pure.

use std::{error::Error, fmt};

use http::StatusCode;
use serde::Deserialize;

/// Why a request has no answer of the managed cluster.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Failure {
    /// A refusal, with the reason and the phase of its `metav1.Status` if there is one.
    Refused {
        code: u16,
        reason: Option<String>,
        phase: Option<String>,
    },
    /// The answer began and broke off.
    Cut(u16),
    /// There was no connection.
    Connect(String),
    /// The connection broke before an answer began.
    Broken(String),
    /// There was no answer for this many seconds.
    Silent(u64),
}

#[derive(Deserialize)]
struct Status {
    reason: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    reason: Option<String>,
}

impl Failure {
    /// The failure that a complete answer reports.
    pub(super) fn refused(code: StatusCode, body: &[u8]) -> Self {
        let status: Option<Status> = serde_json::from_slice(body).ok();
        let (reason, details) = status.map_or((None, None), |it| (it.reason, it.details));
        let causes = details.map(|it| it.causes).unwrap_or_default();
        Self::Refused {
            code: code.as_u16(),
            reason,
            phase: causes.into_iter().find_map(|cause| cause.reason),
        }
    }

    /// The failure of a connection that could not be made.
    pub(super) fn connect(error: &anyhow::Error) -> Self {
        Self::Connect(words(error.root_cause()))
    }

    /// The failure of a request that was sent.
    pub(super) fn broken(error: &hyper::Error) -> Self {
        Self::Broken(words(root(error)))
    }

    /// Whether a status told the caller what had happened.
    pub(super) fn is_typed(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(code, 429 | 502..=504))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                code,
                reason,
                phase,
            } => {
                let reason = reason.as_deref().unwrap_or("no Status");
                write!(f, "{code} {reason}")?;
                phase
                    .iter()
                    .try_for_each(|phase| write!(f, ", phase {phase}"))
            }
            Self::Cut(code) => write!(f, "{code}, then cut off"),
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Broken(error) => write!(f, "broken: {error}"),
            Self::Silent(seconds) => write!(f, "no answer within {seconds} s"),
        }
    }
}

/// Whether the server has provably not begun with the request. A client may then send it again, as
/// Go's client does (RFC 9113 §8.7).
pub(super) fn is_unsent(error: &hyper::Error) -> bool {
    let not_begun = |error: &h2::Error| match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => true,
        Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        _ => false,
    };
    error.is_canceled() || root(error).downcast_ref().is_some_and(not_begun)
}

/// The text of an error, without a link to a manual.
pub(super) fn words(error: &dyn Error) -> String {
    let said = error.to_string();
    match said.split_once(": https://") {
        Some((words, _)) => words.to_owned(),
        None => said,
    }
}

fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, root)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_told_by_status_reason_and_phase() {
        let status = json!({
            "kind": "Status", "reason": "ServiceUnavailable", "code": 503,
            "details": {"name": "c1", "causes": [{"reason": "Tunnel", "message": "long"}]},
        });
        let refused =
            |body: &str| Failure::refused(StatusCode::SERVICE_UNAVAILABLE, body.as_bytes());
        let (of_gateway, of_hub) = (
            refused(&status.to_string()),
            refused("error trying to reach"),
        );
        assert_eq!(
            of_gateway.to_string(),
            "503 ServiceUnavailable, phase Tunnel"
        );
        assert_eq!(of_hub.to_string(), "503 no Status");
        assert_eq!(
            refused(r#"{"reason": "Forbidden"}"#).to_string(),
            "503 Forbidden"
        );
        assert!(of_gateway.is_typed() && of_hub.is_typed());
    }

    #[test]
    fn an_error_is_told_without_a_link() {
        let error = anyhow::anyhow!("peer went: https://docs.rs/rustls").context("cannot read");
        assert_eq!(words(error.root_cause()), "peer went");
        assert_eq!(words(anyhow::anyhow!("a: b").root_cause()), "a: b");
    }

    #[test]
    fn what_is_no_status_is_not_typed() {
        let unheard_of = Failure::refused(StatusCode::NOT_FOUND, b"{}");
        let error = anyhow::anyhow!("connection refused").context("cannot dial");
        for (failure, told) in [
            (
                Failure::connect(&error),
                "no connection: connection refused",
            ),
            (Failure::Cut(200), "200, then cut off"),
            (Failure::Silent(10), "no answer within 10 s"),
            (unheard_of, "404 no Status"),
        ] {
            assert!(!failure.is_typed(), "{failure}");
            assert_eq!(failure.to_string(), told);
        }
    }
}
