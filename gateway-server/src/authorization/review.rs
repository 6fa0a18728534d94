//! The question to the hub, and its answer. Pure.

use std::time::Duration;

use crds::cluster_core::{GROUP, VERSION};
use http::Method;
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};

use super::inner::{Inner, RESOURCE};
use crate::{authentication::User, route::Collection, verb::Verb};

/// How long the hub may take to answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// What a request wants to do on the hub.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Action {
    /// `verb` on `COLLECTION[/SUBRESOURCE]`, of one cluster or of all.
    Resource {
        verb: Verb,
        collection: Collection,
        subresource: &'static str,
        name: Option<crds::ClusterName>,
    },
    /// A path that is no resource: discovery, OpenAPI, metrics.
    Path { method: Method, path: String },
    /// What a request asks of a managed cluster, besides the verb on `clustergateways/proxy`.
    Inner(Inner),
}

impl Action {
    /// `verb` on one `clustergateway`, or on a subresource of it.
    pub(crate) fn of(verb: Verb, subresource: &'static str, cluster: &crds::ClusterName) -> Self {
        Self::Resource {
            verb,
            collection: Collection::ClusterGateways,
            subresource,
            name: Some(cluster.clone()),
        }
    }

    /// What an agent needs to keep a tunnel of `cluster`.
    pub(crate) fn attach(cluster: &crds::ClusterName) -> Self {
        Self::of(Verb::Get, "attach", cluster)
    }
}

/// Who wants to do what on the hub.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Question {
    pub(crate) user: User,
    pub(crate) action: Action,
}

/// The hub's answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Allowed,
    /// With the hub's reason, if it gave one.
    Denied(String),
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReviewError {
    #[error("the hub's API server did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("{0}")]
    Hub(#[from] kube::Error),
}

pub(super) fn verdict(review: SubjectAccessReview) -> Verdict {
    let status = review.status.unwrap_or_default();
    if status.allowed && status.denied != Some(true) {
        Verdict::Allowed
    } else {
        Verdict::Denied(status.reason.unwrap_or_default())
    }
}

/// The reviews of which one must allow it. If there are none, everybody may do it.
pub(super) fn reviews(question: &Question) -> Vec<SubjectAccessReview> {
    let Question { user, action } = question;
    match action {
        Action::Resource {
            verb,
            collection,
            subresource,
            name,
        } => {
            let attributes = ResourceAttributes {
                resource: Some(collection.resource().to_owned()),
                subresource: (!subresource.is_empty()).then(|| (*subresource).to_owned()),
                name: name.as_ref().map(ToString::to_string),
                ..attributes(verb.name())
            };
            vec![review(user, Some(attributes), None)]
        }
        Action::Path { method, path } => {
            let attributes = NonResourceAttributes {
                path: Some(path.clone()),
                verb: Some(method.as_str().to_ascii_lowercase()),
            };
            vec![review(user, None, Some(attributes))]
        }
        Action::Inner(inner) => {
            let Some(subresource) = inner.subresource() else {
                return Vec::new();
            };
            let named = |name| ResourceAttributes {
                subresource: Some(subresource.clone()),
                namespace: inner.namespace().map(str::to_owned),
                name: Some(name),
                ..attributes(&inner.verb)
            };
            let attributes = inner.names().map(named);
            attributes.map(|it| review(user, Some(it), None)).collect()
        }
    }
}

fn attributes(verb: &str) -> ResourceAttributes {
    ResourceAttributes {
        group: Some(GROUP.to_owned()),
        version: Some(VERSION.to_owned()),
        resource: Some(RESOURCE.to_owned()),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    }
}

fn review(
    user: &User,
    resource_attributes: Option<ResourceAttributes>,
    non_resource_attributes: Option<NonResourceAttributes>,
) -> SubjectAccessReview {
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            uid: (!user.uid.is_empty()).then(|| user.uid.clone()),
            groups: Some(user.groups.clone()),
            extra: Some(user.extra.clone()),
            resource_attributes,
            non_resource_attributes,
        },
        ..SubjectAccessReview::default()
    }
}
