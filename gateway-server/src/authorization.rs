//! What the caller may do, by the hub's own RBAC: one SubjectAccessReview per question, remembered
//! for a few seconds and asked once however many requests wait for it.

mod cache;
mod recheck;
mod review;

use std::sync::Arc;

use crds::cluster_core::GROUP;
use http::StatusCode;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{Api, Client, api::PostParams};
use tokio::time::timeout;
use tracing::warn;

use self::{
    cache::{Cache, Outcome},
    review::{DEADLINE, ReviewError, Verdict, review, verdict},
};
pub(crate) use self::{
    recheck::keep_checking,
    review::{Action, Question},
};
use crate::{
    authentication::User,
    metrics::{Metrics, ReviewLabels},
    status::Refusal,
};

/// RBAC grants this group everything and cannot take it back, so asking is pointless; the hub's
/// API server itself calls as a member of it while it checks whether we are available.
const ALL_POWERFUL: &str = "system:masters";

/// Asks the hub.
#[derive(Clone)]
pub(crate) struct Authorizer {
    reviews: Api<SubjectAccessReview>,
    cache: Arc<Cache>,
    metrics: Metrics,
}

impl std::fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizer")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl Authorizer {
    pub(crate) fn new(client: Client, metrics: Metrics) -> Self {
        Self {
            reviews: Api::all(client),
            cache: Arc::default(),
            metrics,
        }
    }

    /// Refuses what the hub's RBAC does not allow.
    pub(crate) async fn authorize(&self, question: &Arc<Question>) -> Result<(), Refusal> {
        let Question { user, action } = &**question;
        match self.verdict(question).await {
            Ok(Verdict::Allowed) => Ok(()),
            Ok(Verdict::Denied(reason)) => Err(forbidden(user, action, &reason)),
            Err(error) => {
                let message = format!("cannot ask the hub whether you may do this: {error}");
                let code = StatusCode::SERVICE_UNAVAILABLE;
                Err(Refusal::new(code, "ServiceUnavailable", message).retry_after(1))
            }
        }
    }

    /// True if the hub says no. If it does not answer, nothing is known.
    async fn denies(&self, question: &Arc<Question>) -> bool {
        matches!(self.verdict(question).await, Ok(Verdict::Denied(_)))
    }

    async fn verdict(&self, question: &Arc<Question>) -> Outcome {
        let mut groups = question.user.groups.iter();
        if groups.any(|group| group == ALL_POWERFUL) {
            return Ok(Verdict::Allowed);
        }
        let ask = |question| ask(self.reviews.clone(), self.metrics.clone(), question);
        self.cache.get(question, ask).await
    }
}

/// Asks the hub, once for all who wait.
async fn ask(
    reviews: Api<SubjectAccessReview>,
    metrics: Metrics,
    question: Arc<Question>,
) -> Result<Verdict, ReviewError> {
    let review = review(&question);
    let parameters = PostParams::default();
    let asked = timeout(DEADLINE, reviews.create(&parameters, &review)).await;
    let verdict = match asked {
        Ok(Ok(answered)) => Ok(verdict(answered)),
        Ok(Err(error)) => Err(ReviewError::Hub(error)),
        Err(_) => Err(ReviewError::Deadline),
    };
    let result = match &verdict {
        Ok(Verdict::Allowed) => "allowed",
        Ok(Verdict::Denied(_)) => "denied",
        Err(error) => {
            warn!(%error, "SubjectAccessReview failed");
            "error"
        }
    };
    metrics
        .reviews
        .get_or_create(&ReviewLabels { result })
        .inc();
    verdict
}

/// In the words of kube-apiserver, which clients know how to read.
fn forbidden(user: &User, action: &Action, reason: &str) -> Refusal {
    let (user, because) = (&user.name, if reason.is_empty() { "" } else { ": " });
    match action {
        Action::Resource {
            verb,
            collection,
            subresource,
            name,
        } => {
            let resource = collection.resource();
            let slash = if subresource.is_empty() { "" } else { "/" };
            let verb = verb.name();
            let quoted = name
                .as_ref()
                .map(|name| format!(" {:?}", name.as_str()))
                .unwrap_or_default();
            let message = format!(
                "{resource}.{GROUP}{quoted} is forbidden: User {user:?} cannot {verb} resource \
                 \"{resource}{slash}{subresource}\" in API group {GROUP:?} at the cluster scope\
                 {because}{reason}"
            );
            let refusal = Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message);
            name.iter()
                .fold(refusal, |refusal, name| refusal.of(resource, name))
        }
        Action::Path { method, path } => {
            let verb = method.as_str().to_ascii_lowercase();
            let message =
                format!("forbidden: User {user:?} cannot {verb} path {path:?}{because}{reason}");
            Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message)
        }
    }
}

#[cfg(test)]
mod tests;
