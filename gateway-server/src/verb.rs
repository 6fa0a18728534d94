//! Kubernetes verbs, as RBAC and metrics spell them.

use http::Method;

/// A Kubernetes verb. Bounded, so that it can be a metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Verb {
    Create,
    Delete,
    DeleteCollection,
    Get,
    List,
    /// A method that maps to no verb: OPTIONS, TRACE, an invention.
    Other,
    Patch,
    Update,
    Watch,
}

impl Verb {
    /// The verb as RBAC and metrics spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Get => "get",
            Self::List => "list",
            Self::Other => "other",
            Self::Patch => "patch",
            Self::Update => "update",
            Self::Watch => "watch",
        }
    }

    /// The verb of a method alone, as the hub's RBAC on `clustergateways/proxy` sees it.
    pub(crate) fn of_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Create,
            Method::PUT => Self::Update,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => Self::Other,
        }
    }
}
