//! Which of our endpoints a path means. Pure: bytes in, a [`Route`] or a [`PathError`] out. The
//! tail behind `/proxy` is never rewritten; what cannot be passed on as it is, is refused.

mod tail;

use std::str::FromStr;

use crds::{ClusterName, ServiceAddress, ServiceAddressError};

pub(crate) use self::tail::check_tail;

/// Where the aggregated group-version lives.
pub(crate) const GROUP_VERSION_PATH: &str = "/apis/cluster.core.oam.dev/v1alpha1";
const GROUP_PATH: &str = "/apis/cluster.core.oam.dev";

/// What a request path asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route<'a> {
    /// `/livez`, and `/healthz` for old probes.
    Livez,
    /// `/readyz`.
    Readyz,
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
    /// `…/clustergateways`.
    List,
    /// `…/clustergateways/NAME`.
    Get(ClusterName),
    /// `…/clustergateways/NAME/health`.
    Health(ClusterName),
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
    /// Nothing we serve.
    Unknown,
}

impl Route<'_> {
    /// The same route, free of the path it was read from.
    pub(crate) fn into_owned(self) -> Route<'static> {
        match self {
            Self::Proxy { cluster, .. } => Route::Proxy { cluster, tail: "" },
            Self::Service {
                cluster, service, ..
            } => Route::Service {
                cluster,
                service,
                tail: "",
            },
            Self::Livez => Route::Livez,
            Self::Readyz => Route::Readyz,
            Self::Metrics => Route::Metrics,
            Self::Groups => Route::Groups,
            Self::Group => Route::Group,
            Self::Resources => Route::Resources,
            Self::OpenApiV2 => Route::OpenApiV2,
            Self::OpenApiV3 => Route::OpenApiV3,
            Self::OpenApiV3GroupVersion => Route::OpenApiV3GroupVersion,
            Self::List => Route::List,
            Self::Get(cluster) => Route::Get(cluster),
            Self::Health(cluster) => Route::Health(cluster),
            Self::Attach(cluster) => Route::Attach(cluster),
            Self::Unknown => Route::Unknown,
        }
    }
}

/// A path that is refused before anybody looks at what it asks for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
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
        "the path behind /proxy has a % that starts no escape; write a literal percent sign as %25"
    )]
    Escape,
    /// A segment is `.` or `..`, written out or escaped.
    #[error(
        "the path behind /proxy has a segment {segment:?}, which would leave the path that was \
         authorised; send the path it stands for"
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
    Ok(match path {
        "/livez" | "/healthz" => Route::Livez,
        "/readyz" => Route::Readyz,
        "/metrics" => Route::Metrics,
        "/apis" | "/apis/" => Route::Groups,
        "/openapi/v2" => Route::OpenApiV2,
        "/openapi/v3" | "/openapi/v3/" => Route::OpenApiV3,
        _ if matches(path, GROUP_PATH) => Route::Group,
        _ if matches(path, GROUP_VERSION_PATH) => Route::Resources,
        _ if path
            .strip_prefix("/openapi/v3")
            .is_some_and(|rest| matches(rest, GROUP_VERSION_PATH)) =>
        {
            Route::OpenApiV3GroupVersion
        }
        _ => match path.strip_prefix(GROUP_VERSION_PATH) {
            Some(rest) => cluster_gateways(rest)?,
            None => Route::Unknown,
        },
    })
}

/// `path` is `wanted`, with or without a slash at its end.
fn matches(path: &str, wanted: &str) -> bool {
    path.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest == "/")
}

fn cluster_gateways(rest: &str) -> Result<Route<'_>, PathError> {
    let Some(rest) = rest.strip_prefix("/clustergateways") else {
        return Ok(Route::Unknown);
    };
    if rest.is_empty() || rest == "/" {
        return Ok(Route::List);
    }
    let Some(rest) = rest.strip_prefix('/') else {
        return Ok(Route::Unknown);
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
        return Ok(Route::Get(cluster));
    }
    match rest {
        "/health" => return Ok(Route::Health(cluster)),
        "/attach" => return Ok(Route::Attach(cluster)),
        _ => {}
    }
    if let Some(rest) = rest.strip_prefix("/services/") {
        return service(cluster, rest);
    }
    match rest.strip_prefix("/proxy") {
        Some(tail) if tail.is_empty() || tail.starts_with('/') => {
            check_tail(tail)?;
            Ok(Route::Proxy { cluster, tail })
        }
        _ => Ok(Route::Unknown),
    }
}

/// `NAMESPACE/SERVICE:PORT`, then a tail.
fn service(cluster: ClusterName, rest: &str) -> Result<Route<'_>, PathError> {
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
    Ok(Route::Service {
        cluster,
        service,
        tail,
    })
}

#[cfg(test)]
mod tests;
