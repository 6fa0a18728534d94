//! Whether the namespace that has the name of a cluster is the cluster's own. The cluster's agent gets
//! rights there, so a cluster must not have the name of somebody else's namespace.

use crate::{
    kind::{Kind, ObjectKey},
    names::{CREDENTIALS, FOR_CLUSTER},
    observed::{Observed, kept::MADE_FOR},
};

/// Namespaces that are never a cluster's, and the beginnings of the names of more of them.
const RESERVED: [&str; 3] = ["default", "openshift", CREDENTIALS];
const RESERVED_PREFIXES: [&str; 3] = ["kube-", "open-cluster-management", "openshift-"];

/// Why a cluster is not enrolled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The name is that of a namespace of the hub.
    #[error(
        "the hub keeps objects of its own in the namespace {0}, or may come to: detach the cluster, and let it \
         join under another name"
    )]
    Reserved(String),
    /// Open Cluster Management creates the namespace when the hub accepts the cluster.
    #[error("the hub has no namespace {0} yet")]
    Missing(String),
    /// The namespace is of somebody else.
    #[error(
        "the namespace {0} was not created for this cluster, and its agent would get rights there: let the cluster \
         join under another name, or, if nothing of anybody else is in the namespace, run: \
         kubectl label namespace {0} {label}={0}",
        label = FOR_CLUSTER
    )]
    Foreign(String),
}

impl Refusal {
    /// The reason in one word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Reserved(_) => "NameReserved",
            Self::Missing(_) => "NamespaceMissing",
            Self::Foreign(_) => "NamespaceForeign",
        }
    }
}

/// `None` if the cluster has a namespace of its own.
pub(crate) fn refusal(observed: &Observed, cluster: &str) -> Option<Refusal> {
    let name = || cluster.to_owned();
    if is_reserved(observed, cluster) {
        return Some(Refusal::Reserved(name()));
    }
    let key = ObjectKey::global(Kind::Namespace, cluster);
    let Some(namespace) = observed.object(&key) else {
        return Some(Refusal::Missing(name()));
    };
    let labels = namespace.metadata.labels.as_ref();
    let adopted = labels.and_then(|labels| labels.get(FOR_CLUSTER));
    let is_own = namespace.data[MADE_FOR] == cluster || adopted.is_some_and(|it| it == cluster);
    (!is_own).then(|| Refusal::Foreign(name()))
}

fn is_reserved(observed: &Observed, cluster: &str) -> bool {
    let server = observed
        .configuration()
        .is_some_and(|it| it.spec.server.namespace == cluster);
    server
        || observed.installation.namespace == cluster
        || RESERVED.contains(&cluster)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| cluster.starts_with(prefix))
}
