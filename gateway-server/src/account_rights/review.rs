//! Asks one managed cluster what the gateway's account may do there, as that account.

use bytes::Bytes;
use crds::gateway::GROUP_MEMBER;
use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SubjectRulesReviewStatus};
use serde_json::json;

use super::excess::excess;
use crate::{
    clusters::Access,
    proxy::target_uri,
    upstream::{RequestBody, SendError, Wanted},
    way::Leased,
};

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
/// Rules are listed for one namespace: those for the whole cluster, and those of its own bindings.
/// Bindings in this one are worth the most.
const NAMESPACE: &str = "kube-system";
/// The largest answer, in bytes. The rules of an administrator of a large cluster are a few 10 KiB.
const MAX_ANSWER: usize = 1 << 20;

/// Why nothing is known of the account's rights.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReviewError {
    #[error("the cluster cannot be reached: {0}")]
    Unreachable(#[from] crate::upstream::PoolError),
    #[error(transparent)]
    TooLong(#[from] target_uri::TooLong),
    #[error("the request was not answered: {0}")]
    Broken(hyper::Error),
    #[error("the connection closed before the request was sent")]
    Unsent,
    #[error("the cluster answered {0}")]
    Refused(http::StatusCode),
    #[error("the answer cannot be read: {0}")]
    Unread(Box<dyn std::error::Error + Send + Sync>),
}

/// What the account may do beyond impersonating callers. What anybody may do on the cluster is not
/// counted: if the account may impersonate the user to whom no right is bound, its rules are compared
/// with that user's.
pub(super) async fn review(access: &Access) -> Result<Vec<String>, ReviewError> {
    let account = ask(access, None).await?;
    let everybodys = ask(access, Some(GROUP_MEMBER)).await.unwrap_or_default();
    Ok(excess(&account, &everybodys))
}

async fn ask(
    access: &Access,
    user: Option<&'static str>,
) -> Result<SubjectRulesReviewStatus, ReviewError> {
    let Leased { upstream, pooled } = access.way.lease(Wanted::Any).await?;
    let mut request = request(access, user);
    let uri = target_uri::of(&upstream.target, PATH, None)?;
    if pooled.is_http1() {
        target_uri::to_http1(&mut request, &uri);
    } else {
        target_uri::to_http2(&mut request, &uri);
    }
    let (response, lease) = pooled.send(request).await.map_err(|error| match error {
        SendError::Unsent(_) => ReviewError::Unsent,
        SendError::Untaken(error) | SendError::Broken(error) | SendError::Stale(error) => {
            ReviewError::Broken(error)
        }
    })?;
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Err(ReviewError::Refused(head.status));
    }
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(ReviewError::Unread)?.to_bytes();
    lease.finish();
    let review = serde_json::from_slice::<SelfSubjectRulesReview>(&body);
    let review = review.map_err(|error| ReviewError::Unread(error.into()))?;
    Ok(review.status.unwrap_or_default())
}

fn request(access: &Access, user: Option<&'static str>) -> Request<RequestBody> {
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": NAMESPACE},
    });
    let body = Bytes::from(body.to_string());
    let mut request = Request::new(RequestBody::Whole(Some(body)));
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(ACCEPT, json.clone());
    headers.insert(CONTENT_TYPE, json);
    if let Some(credential) = &access.credential {
        headers.insert(AUTHORIZATION, credential.authorization.clone());
    }
    if let Some(user) = user {
        headers.insert("impersonate-user", HeaderValue::from_static(user));
    }
    request
}
