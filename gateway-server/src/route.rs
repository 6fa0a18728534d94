//! Which of our endpoints a path means. Pure: bytes in, a [`Route`] or a [`PathError`] out. The
//! tail behind `/proxy` is never rewritten; what cannot be passed on as it is, is refused.

mod tail;

use std::str::FromStr;

use crds::{
    ClusterName, ServiceAddress, ServiceAddressError,
    cluster_core::{ClusterGateway, MY_CLUSTERS_PATH, VirtualCluster},
    gateway::SETTINGS_PATH,
};

pub(crate) use self::tail::check_tail;
use crate::{api::kind::Kind as _, proxy::target_uri::LONGEST};

/// Where the aggregated group-version lives.
pub(crate) const GROUP_VERSION_PATH: &str = "/apis/cluster.core.oam.dev/v1alpha1";
const GROUP_PATH: &str = "/apis/cluster.core.oam.dev";

/// The path of requests whose own target is too long. The door sets it.
pub(crate) const TOO_LONG_PATH: &str = "/.target-too-long";

/// What a request path asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route<'a> {
    /// `/livez`, and `/healthz` for old probes. Answered to anybody.
    Livez,
    /// `/readyz`. Answered to anybody.
    Readyz,
    /// What the operator has to know. Answered to anybody.
    Settings,
    /// `…/myclusters`. Answered to every caller who is known, about that caller only.
    Mine,
    /// Anything else: only callers who are known and allowed get an answer.
    Endpoint(Endpoint<'a>),
}

/// What only callers who are known and allowed get.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint<'a> {
    /// What the gateway itself answers.
    Own(Own),
    /// `…/clustergateways/NAME/attach`.
    Attach(ClusterName),
    /// `…/clustergateways/NAME/proxy…`.
    Proxy {
        /// The managed cluster.
        cluster: ClusterName,
        /// What is behind `/proxy`, byte for byte: empty, or starting with a slash.
        tail: &'a str,
    },
    /// `…/clustergateways/NAME/services/NAMESPACE/SERVICE:PORT…`.
    Service {
        /// The managed cluster.
        cluster: ClusterName,
        /// The service there.
        service: ServiceAddress,
        /// What is behind the port, byte for byte: empty, or starting with a slash.
        tail: &'a str,
    },
}

/// What the gateway answers from what it knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Own {
    /// Something that concerns no managed cluster.
    Document(Document),
    /// `…/clustergateways` or `…/virtualclusters`.
    List(Collection),
    /// `…/clustergateways/NAME` or `…/virtualclusters/NAME`.
    Get(Collection, ClusterName),
    /// `…/clustergateways/NAME/health`.
    Health(ClusterName),
    /// Nothing we serve.
    Unknown,
}

/// A resource that lists clusters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Collection {
    /// The clusters that the gateway serves.
    ClusterGateways,
    /// All clusters that the hub knows.
    VirtualClusters,
}

impl Collection {
    /// The resource, as paths and RBAC spell it.
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Self::ClusterGateways => ClusterGateway::RESOURCE,
            Self::VirtualClusters => VirtualCluster::RESOURCE,
        }
    }
}

/// Something that concerns no managed cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Document {
    /// `/metrics`.
    Metrics,
    /// `/apis`.
    Groups,
    /// `/apis/GROUP`.
    Group,
    /// `/apis/GROUP/VERSION`.
    Resources,
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`.
    OpenApiV3,
    /// `/openapi/v3/apis/GROUP/VERSION`.
    OpenApiV3GroupVersion,
}

/// A path that is refused before anybody looks at what it asks for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    /// The path and the query are longer than the gateway can take.
    #[error(
        "the path and the query of the request are longer than {LONGEST} bytes, which is the limit of \
         the gateway; use a shorter selector, or fewer and shorter arguments"
    )]
    TooLong,
    /// The cluster's name cannot be one.
    #[error("{name:?} cannot be the name of a managed cluster: {fault}")]
    Name {
        /// The path segment.
        name: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The service cannot be one.
    #[error("{service:?} cannot be a service of a managed cluster: {fault}")]
    Service {
        /// The two path segments.
        service: String,
        /// What is wrong with them.
        fault: String,
    },
    /// A `%` is not followed by two hexadecimal digits.
    #[error(
        "the path behind /proxy has a % that does not start an escape; write a literal percent sign as %25"
    )]
    Escape,
    /// A segment is `.` or `..`, written out or escaped.
    #[error(
        "the path behind /proxy has a segment {segment:?}, which would leave the path that was \
         authorised; send the resolved path instead"
    )]
    DotSegment {
        /// The segment as it was sent.
        segment: String,
    },
    /// A control character, escaped: no Kubernetes path has one.
    #[error("the path behind /proxy has an escaped control character")]
    Control,
}

/// Finds the route of a request path.
pub(crate) fn route(path: &str) -> Result<Route<'_>, PathError> {
    if path.starts_with(TOO_LONG_PATH) {
        return Err(PathError::TooLong);
    }
    Ok(match path {
        "/livez" | "/healthz" => Route::Livez,
        "/readyz" => Route::Readyz,
        SETTINGS_PATH => Route::Settings,
        MY_CLUSTERS_PATH => Route::Mine,
        _ => Route::Endpoint(endpoint(path)?),
    })
}

fn endpoint(path: &str) -> Result<Endpoint<'_>, PathError> {
    if let Some(document) = document(path) {
        return Ok(Endpoint::Own(Own::Document(document)));
    }
    match path.strip_prefix(GROUP_VERSION_PATH) {
        Some(rest) => clusters(rest),
        None => Ok(Endpoint::Own(Own::Unknown)),
    }
}

fn document(path: &str) -> Option<Document> {
    match path {
        "/metrics" => Some(Document::Metrics),
        "/apis" | "/apis/" => Some(Document::Groups),
        "/openapi/v2" => Some(Document::OpenApiV2),
        "/openapi/v3" | "/openapi/v3/" => Some(Document::OpenApiV3),
        _ if matches(path, GROUP_PATH) => Some(Document::Group),
        _ if matches(path, GROUP_VERSION_PATH) => Some(Document::Resources),
        _ => {
            let openapi = path.strip_prefix("/openapi/v3")?;
            matches(openapi, GROUP_VERSION_PATH).then_some(Document::OpenApiV3GroupVersion)
        }
    }
}

/// `path` is `wanted`, with or without a slash at its end.
fn matches(path: &str, wanted: &str) -> bool {
    path.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest == "/")
}

/// The resource, and what is behind it.
fn collection(rest: &str) -> Option<(Collection, &str)> {
    let rest = rest.strip_prefix('/')?;
    let (resource, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let known = [Collection::ClusterGateways, Collection::VirtualClusters];
    let known = known.into_iter().find(|it| it.resource() == resource);
    Some((known?, rest))
}

fn clusters(rest: &str) -> Result<Endpoint<'_>, PathError> {
    let Some((collection, rest)) = collection(rest) else {
        return Ok(Endpoint::Own(Own::Unknown));
    };
    let Some(rest) = rest.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
        return Ok(Endpoint::Own(Own::List(collection)));
    };
    let (name, rest) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let cluster = ClusterName::from_str(name).map_err(|fault| PathError::Name {
        name: name.to_owned(),
        fault: fault.to_string(),
    })?;
    if rest.is_empty() || rest == "/" {
        return Ok(Endpoint::Own(Own::Get(collection, cluster)));
    }
    match collection {
        Collection::ClusterGateways => subresource(cluster, rest),
        Collection::VirtualClusters => Ok(Endpoint::Own(Own::Unknown)),
    }
}

fn subresource(cluster: ClusterName, rest: &str) -> Result<Endpoint<'_>, PathError> {
    if rest == "/health" {
        return Ok(Endpoint::Own(Own::Health(cluster)));
    }
    if rest == "/attach" {
        return Ok(Endpoint::Attach(cluster));
    }
    if let Some(rest) = rest.strip_prefix("/services/") {
        return service(cluster, rest);
    }
    match rest.strip_prefix("/proxy") {
        Some(tail) if tail.is_empty() || tail.starts_with('/') => {
            check_tail(tail)?;
            Ok(Endpoint::Proxy { cluster, tail })
        }
        _ => Ok(Endpoint::Own(Own::Unknown)),
    }
}

/// `NAMESPACE/SERVICE:PORT`, then a tail.
fn service(cluster: ClusterName, rest: &str) -> Result<Endpoint<'_>, PathError> {
    let second_slash = rest
        .match_indices('/')
        .nth(1)
        .map_or(rest.len(), |(at, _)| at);
    let (address, tail) = rest.split_at(second_slash);
    let service = address
        .parse()
        .map_err(|fault: ServiceAddressError| PathError::Service {
            service: address.to_owned(),
            fault: fault.to_string(),
        })?;
    check_tail(tail)?;
    Ok(Endpoint::Service {
        cluster,
        service,
        tail,
    })
}

#[cfg(test)]
mod tests;
