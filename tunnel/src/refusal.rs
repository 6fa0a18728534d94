//! Why a pipe was not opened, as an agent encodes it: an HTTP status, and a word that is more
//! specific (protocol.md §4). Pure in both directions.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

pub(crate) const REFUSAL: HeaderName = HeaderName::from_static("spokeway-refusal");

/// An agent's negative answer to a CONNECT.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The target is not on the agent's list.
    #[error("the agent does not serve this target")]
    Forbidden,
    /// The authority is not `host:port`.
    #[error("the agent cannot read this target")]
    Malformed,
    /// The target's name does not resolve.
    #[error("the target's name does not resolve on the managed cluster")]
    Unresolvable,
    /// No process listens at the target.
    #[error("the target refuses connections")]
    Refused,
    /// The target did not accept in time.
    #[error("the target did not accept a connection in time")]
    TimedOut,
    /// The dial failed for another reason.
    #[error("the target cannot be reached from the agent")]
    Unreachable,
    /// The agent has no room for another pipe.
    #[error("the agent has no room for another pipe")]
    Busy,
    /// The replica of the gateway has no tunnel to the cluster, and does not pass pipes on.
    #[error("the other replica of the gateway has no tunnel of this cluster")]
    Absent,
}

const ALL: [(Refusal, StatusCode, &str); 8] = [
    (Refusal::Forbidden, StatusCode::FORBIDDEN, "forbidden"),
    (Refusal::Malformed, StatusCode::BAD_REQUEST, "malformed"),
    (
        Refusal::Unresolvable,
        StatusCode::BAD_GATEWAY,
        "unresolvable",
    ),
    (Refusal::Refused, StatusCode::BAD_GATEWAY, "refused"),
    (Refusal::TimedOut, StatusCode::GATEWAY_TIMEOUT, "timed-out"),
    (Refusal::Unreachable, StatusCode::BAD_GATEWAY, "unreachable"),
    (Refusal::Busy, StatusCode::SERVICE_UNAVAILABLE, "busy"),
    (Refusal::Absent, StatusCode::NOT_FOUND, "absent"),
];

impl Refusal {
    pub(crate) fn response(self) -> Response<()> {
        let (_, status, word) = ALL[ALL
            .iter()
            .position(|it| it.0 == self)
            .expect("all are listed")];
        let mut response = Response::new(());
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(REFUSAL, HeaderValue::from_static(word));
        response
    }

    /// Reads an answer that is not 200. If a later version sends an unknown word, the status
    /// decides.
    pub(crate) fn read(status: StatusCode, headers: &HeaderMap) -> Self {
        let word = headers
            .get(REFUSAL)
            .and_then(|word| word.to_str().ok())
            .unwrap_or_default();
        let known = ALL
            .iter()
            .find(|it| it.2 == word)
            .or_else(|| ALL.iter().find(|it| it.1 == status));
        known.map_or(Self::Unreachable, |it| it.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_reads_back() {
        for (refusal, ..) in ALL {
            let response = refusal.response();
            assert_eq!(
                Refusal::read(response.status(), response.headers()),
                refusal
            );
        }
    }

    #[test]
    fn every_refusal_is_in_the_table() {
        let page = include_str!("../../docs/protocol.md");
        for (_, status, word) in ALL {
            let row = format!("| `{word}` | {} |", status.as_u16());
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn an_unknown_word_falls_back_to_its_status() {
        let mut headers = HeaderMap::new();
        headers.insert(REFUSAL, HeaderValue::from_static("on-holiday"));
        assert_eq!(
            Refusal::read(StatusCode::FORBIDDEN, &headers),
            Refusal::Forbidden
        );
        assert_eq!(
            Refusal::read(StatusCode::IM_A_TEAPOT, &headers),
            Refusal::Unreachable
        );
        assert_eq!(
            Refusal::read(StatusCode::GATEWAY_TIMEOUT, &HeaderMap::new()),
            Refusal::TimedOut
        );
    }
}
