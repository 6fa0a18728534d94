//! Bearer tokens of callers who come without the hub's API server: the hub reviews each once in a few
//! seconds, however many requests show it. Only its digest is kept.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, header::AUTHORIZATION};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, time::timeout};

use super::{error::AuthenticationError, user::User};
use crate::answers::Answers;

/// How long the hub may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How many tokens the hub reviews at a time, because strangers show tokens too.
const AT_A_TIME: usize = 32;
/// Longer ones are no token of Kubernetes, and the hub need not be asked.
const LONGEST: usize = 16 << 10;

/// Reviews tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    reviews: Api<TokenReview>,
    /// For whom a token must be. If there are none, it must be for the hub's API server.
    audiences: Arc<[String]>,
    turns: Arc<Semaphore>,
    answers: Answers<[u8; 32], Option<Arc<User>>, NoAnswer>,
}

/// The hub did not say whether it accepts a token.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("its API server did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("{0}")]
    Hub(#[from] kube::Error),
}

impl Tokens {
    pub(crate) fn new(hub: Client, audiences: Vec<String>) -> Self {
        Self {
            reviews: Api::all(hub),
            audiences: audiences.into(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            answers: Answers::default(),
        }
    }

    /// The user to whom the hub gave the token; `None` if it accepts it from nobody.
    pub(super) async fn user(&self, token: &str) -> Result<Option<Arc<User>>, AuthenticationError> {
        if token.len() > LONGEST {
            return Ok(None);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let (reviews, audiences) = (self.reviews.clone(), Arc::clone(&self.audiences));
        let (token, turns) = (token.to_owned(), Arc::clone(&self.turns));
        let ask = |_| async move {
            let asked = in_turn(&turns, review(&reviews, token, &audiences));
            timeout(DEADLINE, asked)
                .await
                .map_err(|_| NoAnswer::Deadline)?
        };
        let answer = self.answers.get(&digest, ask).await;
        answer.map_err(|error| AuthenticationError::HubSilent(error.to_string()))
    }
}

/// The token in the `Authorization` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Runs it when not too many others run.
async fn in_turn<T>(turns: &Semaphore, future: impl Future<Output = T>) -> T {
    let _turn = turns.acquire().await;
    future.await
}

async fn review(
    reviews: &Api<TokenReview>,
    token: String,
    audiences: &[String],
) -> Result<Option<Arc<User>>, NoAnswer> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: Some(token),
            audiences: (!audiences.is_empty()).then(|| audiences.to_vec()),
        },
        ..TokenReview::default()
    };
    let reviewed = reviews.create(&PostParams::default(), &review).await?;
    Ok(user(reviewed.status.unwrap_or_default(), audiences).map(Arc::new))
}

fn user(status: TokenReviewStatus, audiences: &[String]) -> Option<User> {
    // A hub that does not know audiences names none, and its word counts for its own API server only.
    let granted = status.audiences.unwrap_or_default();
    let is_for_us = audiences.is_empty() || granted.iter().any(|it| audiences.contains(it));
    if status.authenticated != Some(true) || !is_for_us {
        return None;
    }
    let user = status.user?;
    let name = user.username.filter(|name| !name.is_empty())?;
    Some(User {
        name,
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use http::HeaderValue;
    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    #[test]
    fn a_token_is_read_as_api_servers_read_it() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer a.b.c"), Some("a.b.c".to_owned()));
        assert_eq!(read("bearer  a"), Some("a".to_owned()));
        for other in ["Bearer", "Bearer ", "Basic YTpi", "abearer a", ""] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_reviewed_at_a_time() {
        let turns = Semaphore::new(AT_A_TIME);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let review = async || {
            most.fetch_max(
                running.fetch_add(1, Ordering::Relaxed) + 1,
                Ordering::Relaxed,
            );
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::Relaxed);
        };
        let all = (0..AT_A_TIME * 4).map(|_| in_turn(&turns, review()));
        join_all(all).await;
        assert_eq!(most.into_inner(), AT_A_TIME);
    }

    #[test]
    fn only_a_token_for_us_is_somebodys() {
        let ours = ["gateway".to_owned()];
        let status = |audiences: Option<&str>| TokenReviewStatus {
            authenticated: Some(true),
            audiences: audiences.map(|it| vec![it.to_owned()]),
            user: Some(UserInfo {
                username: Some("alice".to_owned()),
                groups: Some(vec!["dev".to_owned()]),
                ..UserInfo::default()
            }),
            ..TokenReviewStatus::default()
        };
        let alice = user(status(Some("gateway")), &ours).unwrap();
        assert_eq!(
            (alice.name.as_str(), alice.groups),
            ("alice", vec!["dev".to_owned()])
        );
        assert!(user(status(None), &[]).is_some());
        assert!(user(status(None), &ours).is_none());
        assert!(user(status(Some("other")), &ours).is_none());
        let mut denied = status(None);
        denied.authenticated = None;
        assert!(user(denied, &[]).is_none());
        let mut nobody = status(None);
        nobody.user = Some(UserInfo::default());
        assert!(user(nobody, &[]).is_none());
    }
}
