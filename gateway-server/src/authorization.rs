//! What the caller may do, by the hub's own RBAC: one SubjectAccessReview per question, remembered
//! for a few seconds and asked once however many requests wait for it.

mod inner;
mod recheck;
mod review;

use std::sync::Arc;

use crds::cluster_core::GROUP;
use http::StatusCode;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{Api, Client, api::PostParams};
use tokio::time::timeout;
use tracing::warn;

use self::review::{DEADLINE, ReviewError, Verdict, reviews, verdict};
pub(crate) use self::{
    inner::Inner,
    recheck::keep_checking,
    review::{Action, Question},
};
use crate::{
    answers::{Answers, Outcome},
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
    answers: Arc<Answers<Arc<Question>, Verdict, ReviewError>>,
    metrics: Metrics,
}

impl std::fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizer")
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}

impl Authorizer {
    pub(crate) fn new(client: Client, metrics: Metrics) -> Self {
        Self {
            reviews: Api::all(client),
            answers: Arc::default(),
            metrics,
        }
    }

    /// Refuses what the hub's RBAC does not allow.
    pub(crate) async fn authorize(&self, question: &Arc<Question>) -> Result<(), Refusal> {
        if let Some(outer) = outer(question) {
            self.authorize_alone(&outer).await?;
        }
        self.authorize_alone(question).await
    }

    async fn authorize_alone(&self, question: &Arc<Question>) -> Result<(), Refusal> {
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
        let denied = |verdict| matches!(verdict, Ok(Verdict::Denied(_)));
        if let Some(outer) = outer(question)
            && denied(self.verdict(&outer).await)
        {
            return true;
        }
        denied(self.verdict(question).await)
    }

    async fn verdict(&self, question: &Arc<Question>) -> Outcome<Verdict, ReviewError> {
        let mut groups = question.user.groups.iter();
        if groups.any(|group| group == ALL_POWERFUL) {
            return Ok(Verdict::Allowed);
        }
        let ask = |question| ask(self.reviews.clone(), self.metrics.clone(), question);
        self.answers.get(question, ask).await
    }
}

/// The other half of a question about the inside of a managed cluster.
fn outer(question: &Question) -> Option<Arc<Question>> {
    let Action::Inner(inner) = &question.action else {
        return None;
    };
    Some(Arc::new(Question {
        user: question.user.clone(),
        action: Action::of(inner.outer, "proxy", &inner.cluster),
    }))
}

/// Asks the hub, once for all who wait.
async fn ask(
    api: Api<SubjectAccessReview>,
    metrics: Metrics,
    question: Arc<Question>,
) -> Result<Verdict, ReviewError> {
    let asked = timeout(DEADLINE, ask_each(&api, &question)).await;
    let verdict = match asked {
        Ok(answered) => answered.map_err(ReviewError::Hub),
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

/// Asks until one review allows it.
async fn ask_each(api: &Api<SubjectAccessReview>, question: &Question) -> kube::Result<Verdict> {
    let mut last = Verdict::Allowed;
    for review in reviews(question) {
        last = verdict(api.create(&PostParams::default(), &review).await?);
        if last == Verdict::Allowed {
            break;
        }
    }
    Ok(last)
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
        Action::Inner(inner) => {
            let message = inner.forbidden(user, reason);
            let refusal = Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message);
            refusal.of_cluster(&inner.cluster)
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
