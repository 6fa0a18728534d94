//! A 401 from a managed cluster means two things: its API server does not accept the gateway's own
//! credential, which the caller can do nothing about and must not see as a 401 of the hub; or a
//! service behind that API server wants a login of its own, which is the caller's business.

use std::time::Duration;

use bytes::Bytes;
use http::{header::CONTENT_LENGTH, response::Parts};
use http_body_util::BodyExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use tokio::time::timeout;

use crate::body::Body;

/// An API server's 401 is a short JSON or protobuf Status, with its length declared.
const LONGEST_STATUS: usize = 1024;
const DEADLINE: Duration = Duration::from_secs(5);

/// The answer's body again, unless the API server itself said 401.
///
/// Only `nested` requests, which a service behind it may have answered, are looked into.
pub(super) async fn not_of_the_api_server(head: &Parts, body: Body, nested: bool) -> Option<Body> {
    if !nested {
        return None;
    }
    let length = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_none_or(|length: usize| length > LONGEST_STATUS) {
        return Some(body);
    }
    let bytes = timeout(DEADLINE, body.collect())
        .await
        .ok()?
        .ok()?
        .to_bytes();
    (!is_status(&bytes)).then_some(Body::Full(bytes))
}

fn is_status(bytes: &Bytes) -> bool {
    bytes.starts_with(b"k8s\0")
        || serde_json::from_slice::<Status>(bytes)
            .is_ok_and(|status| status.reason.as_deref() == Some("Unauthorized"))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    async fn passes(length: Option<&str>, body: &'static str, nested: bool) -> bool {
        let mut response = Response::builder().status(401);
        if let Some(length) = length {
            response = response.header(CONTENT_LENGTH, length);
        }
        let (head, ()) = response.body(()).unwrap().into_parts();
        let body = Body::Full(Bytes::from_static(body.as_bytes()));
        not_of_the_api_server(&head, body, nested).await.is_some()
    }

    #[tokio::test]
    async fn tells_the_api_server_from_a_service_behind_it() {
        let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        assert!(!passes(Some("129"), status, false).await);
        assert!(!passes(Some("129"), status, true).await);
        assert!(!passes(Some("9"), "k8s\0\u{1}", true).await);
        assert!(passes(Some("12"), "please log in", true).await);
        assert!(passes(Some("99999"), "a long page", true).await);
        assert!(passes(None, "a streamed page", true).await);
        assert!(!passes(Some("12"), "please log in", false).await);
    }
}
