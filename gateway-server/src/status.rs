//! A refusal as the caller sees it: an HTTP status and a `metav1.Status` body that names the
//! cluster, the phase and the next step.

use bytes::Bytes;
use crds::ClusterName;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};

use crate::{
    api::accept::NotAcceptable,
    body::Body,
    clusters::{Absent, Unshown},
};

const GROUP: &str = "cluster.core.oam.dev";
const RESOURCE: &str = "clustergateways";

/// A `metav1.Status` in the making.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Box<StatusDetails>,
}

impl Refusal {
    /// A refusal that concerns no particular cluster. `reason` is the CamelCase word that kubectl
    /// prints in brackets.
    pub(crate) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Box::default(),
        }
    }

    /// The request itself makes no sense.
    pub(crate) fn bad_request(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// There is nothing at this path.
    pub(crate) fn not_found(path: &str) -> Self {
        let message = format!("the gateway serves nothing at {path}");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// There is no managed cluster of this name, or none is known yet.
    pub(crate) fn absent(cluster: &ClusterName, absent: Absent) -> Self {
        match absent {
            Absent::Unknown => Self::unknown_cluster(cluster),
            Absent::NotReadYet => Self::not_read_yet().of_cluster(cluster),
        }
    }

    /// A managed cluster cannot be shown.
    pub(crate) fn unshown(cluster: &ClusterName, unshown: &Unshown) -> Self {
        match unshown {
            Unshown::Absent(absent) => Self::absent(cluster, *absent),
            Unshown::Unreadable(fault) => Self::unreadable(cluster, fault),
        }
    }

    /// The gateway has just started: what it has not seen may exist all the same.
    pub(crate) fn not_read_yet() -> Self {
        let message = "the gateway has not read all managed clusters from the hub yet, as is so for a \
                       moment after its start; try again, and where it lasts see its /readyz and log \
                       for what it cannot read";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            message,
        )
        .retry_after(1)
    }

    fn unknown_cluster(cluster: &ClusterName) -> Self {
        let message = format!(
            "{RESOURCE}.{GROUP} {:?} not found: the hub has no credential for a managed cluster of \
             this name; `kubectl get clustergateway` lists those it has",
            cluster.as_str()
        );
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).of_cluster(cluster)
    }

    /// The managed cluster is known, but its definition cannot be shown.
    pub(crate) fn unreadable(cluster: &ClusterName, fault: &str) -> Self {
        let message = format!(
            "managed cluster {:?}: {fault}; mend that Secret",
            cluster.as_str()
        );
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message).of_cluster(cluster)
    }

    /// Says which managed cluster it concerns.
    pub(crate) fn of_cluster(mut self, cluster: &ClusterName) -> Self {
        self.details.name = Some(cluster.to_string());
        self.details.group = Some(GROUP.to_owned());
        self.details.kind = Some(RESOURCE.to_owned());
        self
    }

    /// Says in which phase it failed, and the error's own words.
    pub(crate) fn cause(mut self, phase: &'static str, message: impl Into<String>) -> Self {
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

    /// Says when to try again.
    pub(crate) fn retry_after(mut self, seconds: i32) -> Self {
        self.details.retry_after_seconds = Some(seconds);
        self
    }

    /// The HTTP status.
    pub(crate) fn code(&self) -> StatusCode {
        self.code
    }

    /// What went wrong, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The object that says it.
    pub(crate) fn into_status(self) -> Status {
        Status {
            code: Some(self.code.as_u16().into()),
            details: (*self.details != StatusDetails::default()).then_some(*self.details),
            message: Some(self.message),
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta::default(),
            reason: Some(self.reason.to_owned()),
            status: Some("Failure".to_owned()),
        }
    }

    /// The answer to send.
    pub(crate) fn into_response(self) -> Response<Body> {
        let (code, retry_after) = (self.code, self.details.retry_after_seconds);
        let body = serde_json::to_vec(&self.into_status()).expect("a Status has only string keys");
        let mut response = Response::new(Body::Full(Bytes::from(body)));
        *response.status_mut() = code;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<NotAcceptable> for Refusal {
    fn from(error: NotAcceptable) -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            error.to_string(),
        )
    }
}
