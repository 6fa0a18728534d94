//! A refusal as the caller sees it: an HTTP status and a `metav1.Status` body that names the
//! cluster, the phase and the next step.

use bytes::Bytes;
use crds::ClusterName;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};
use kubernetes::words::plain;

const GROUP: &str = "cluster.core.oam.dev";
const RESOURCE: &str = "clustergateways";

/// A `metav1.Status` with its HTTP status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    code: StatusCode,
    reason: &'static str,
    message: String,
    /// The phase of its first cause.
    phase: Option<&'static str>,
    details: Box<StatusDetails>,
}

/// What a response refuses and in which phase. Responses carry it to where they are counted, and to where
/// their form is chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    pub(crate) phase: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    /// A refusal that concerns no particular cluster. `reason` is the CamelCase word that kubectl
    /// prints in brackets.
    pub(crate) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            phase: None,
            details: Box::default(),
        }
    }

    /// The request is malformed.
    pub(crate) fn bad_request(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// Its target is too long.
    pub(crate) fn too_long(message: String) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, "URITooLong", message)
    }

    /// There is nothing at this path.
    pub(crate) fn not_found(path: &str) -> Self {
        let message = format!("the gateway serves nothing at {path}");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// Names the managed cluster that it concerns.
    pub(crate) fn of_cluster(self, cluster: &ClusterName) -> Self {
        self.of(RESOURCE, cluster)
    }

    /// Names the object that it concerns.
    pub(crate) fn of(mut self, resource: &str, cluster: &ClusterName) -> Self {
        self.details.name = Some(cluster.to_string());
        self.details.group = Some(GROUP.to_owned());
        self.details.kind = Some(resource.to_owned());
        self
    }

    /// Adds the phase in which it failed and the message of the error.
    pub(crate) fn cause(mut self, phase: &'static str, message: impl Into<String>) -> Self {
        self.phase.get_or_insert(phase);
        self.details
            .causes
            .get_or_insert_default()
            .push(StatusCause {
                field: None,
                message: Some(message.into()),
                reason: Some(phase.to_owned()),
            });
        self
    }

    /// Names the field of the configuration that has led to the last cause.
    pub(crate) fn blames(mut self, field: &'static str) -> Self {
        if let Some(cause) = self.details.causes.iter_mut().flatten().last() {
            cause.field = Some(field.to_owned());
        }
        self
    }

    /// Adds the field that is wrong.
    pub(crate) fn field(mut self, field: &str, fault: &str) -> Self {
        let causes = self.details.causes.get_or_insert_default();
        causes.push(StatusCause {
            field: Some(field.to_owned()),
            message: Some(fault.to_owned()),
            reason: Some("FieldValueInvalid".to_owned()),
        });
        self
    }

    /// Adds when to try again.
    pub(crate) fn retry_after(mut self, seconds: i32) -> Self {
        self.details.retry_after_seconds = Some(seconds);
        self
    }

    /// The HTTP status.
    pub(crate) fn code(&self) -> StatusCode {
        self.code
    }

    /// The phase in which it failed. Without one, the reason says most.
    pub(crate) fn phase(&self) -> &'static str {
        self.phase.unwrap_or(self.reason)
    }

    /// What went wrong, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The object itself. Clients print it to terminals, and parts of it are words of a managed
    /// cluster.
    pub(crate) fn into_status(mut self) -> Status {
        for cause in self.details.causes.iter_mut().flatten() {
            cause.message = cause.message.as_deref().map(plain);
        }
        Status {
            code: Some(self.code.as_u16().into()),
            message: Some(plain(&self.message)),
            details: (*self.details != StatusDetails::default()).then_some(*self.details),
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta::default(),
            reason: Some(self.reason.to_owned()),
            status: Some("Failure".to_owned()),
        }
    }

    /// The answer to send.
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let (code, retry_after) = (self.code, self.details.retry_after_seconds);
        let refused = Refused {
            phase: self.phase(),
            message: plain(&self.message),
        };
        let body = serde_json::to_vec(&self.into_status()).expect("a Status has only string keys");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = code;
        response.extensions_mut().insert(refused);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_counted_by_its_first_phase_or_else_by_its_reason() {
        let refused = |refusal: Refusal| {
            let response = refusal.into_response();
            response.extensions().get::<Refused>().unwrap().phase
        };
        let bad = || Refusal::bad_request(String::new());
        assert_eq!(refused(bad()), "BadRequest");
        assert_eq!(
            refused(bad().cause("Dial", "x").cause("Tunnel", "y")),
            "Dial"
        );
    }

    #[test]
    fn words_of_a_cluster_reach_no_terminal_as_orders() {
        let said = "certificate only valid for \u{1b}]0;owned\u{7}";
        let refusal = Refusal::bad_request(said.to_owned()).cause("TLSHandshake", said);
        let body = refusal.into_response().into_body();
        let status: Status = serde_json::from_slice(&body).unwrap();
        let causes = status.details.unwrap().causes.unwrap();
        for text in [status.message, causes[0].message.clone()] {
            let text = text.unwrap();
            assert!(text.starts_with("certificate only valid"));
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
