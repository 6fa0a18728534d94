//! Which of our endpoints a path means. Pure: bytes in, a [`Route`] or a [`PathError`] out. The
//! tail behind `/proxy` is never rewritten; what cannot be passed on as it is, is refused.

use std::str::FromStr;

use crds::{ClusterName, ServiceAddress, ServiceAddressError};
use percent_encoding::percent_decode_str;

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

/// Refuses a tail that could mean another path to whoever reads it next.
///
/// Escapes are undone until nothing changes, since a server behind the managed cluster's own proxy
/// may undo them once more than we do.
pub(crate) fn check_tail(tail: &str) -> Result<(), PathError> {
    check_escapes(tail)?;
    for segment in tail.split('/') {
        if is_dotted(segment.as_bytes()) {
            return Err(PathError::DotSegment {
                segment: segment.to_owned(),
            });
        }
        // Most segments have no escape: nothing is decoded, nothing allocated.
        if segment.contains('%') {
            check_decoded(segment)?;
        }
    }
    Ok(())
}

fn check_escapes(tail: &str) -> Result<(), PathError> {
    let mut parts = tail.split('%');
    parts.next();
    if parts.all(|part| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit)) {
        Ok(())
    } else {
        Err(PathError::Escape)
    }
}

fn check_decoded(segment: &str) -> Result<(), PathError> {
    let mut encoded = segment.to_owned();
    loop {
        let decoded: Vec<u8> = percent_decode_str(&encoded).collect();
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(PathError::Control);
        }
        if decoded
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .any(is_dotted)
        {
            return Err(PathError::DotSegment {
                segment: segment.to_owned(),
            });
        }
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        if decoded == encoded {
            return Ok(());
        }
        encoded = decoded;
    }
}

/// The segment is `.` or `..`; some servers ignore what follows a semicolon.
fn is_dotted(segment: &[u8]) -> bool {
    let bare = segment
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or(segment);
    bare.split(|byte| *byte == b'\\')
        .any(|part| part == b"." || part == b"..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";

    fn proxy(name: &str, tail: &'static str) -> Route<'static> {
        Route::Proxy {
            cluster: name.parse().unwrap(),
            tail,
        }
    }

    #[test]
    fn finds_every_route() {
        let name: ClusterName = "managed1".parse().unwrap();
        let table = [
            ("/livez", Route::Livez),
            ("/healthz", Route::Livez),
            ("/readyz", Route::Readyz),
            ("/metrics", Route::Metrics),
            ("/apis", Route::Groups),
            ("/apis/cluster.core.oam.dev", Route::Group),
            ("/apis/cluster.core.oam.dev/v1alpha1", Route::Resources),
            ("/apis/cluster.core.oam.dev/v1alpha1/", Route::Resources),
            ("/openapi/v2", Route::OpenApiV2),
            ("/openapi/v3", Route::OpenApiV3),
            (
                "/openapi/v3/apis/cluster.core.oam.dev/v1alpha1",
                Route::OpenApiV3GroupVersion,
            ),
            ("/openapi/v3/apis/apps/v1", Route::Unknown),
            ("/", Route::Unknown),
            ("", Route::Unknown),
            ("/api/v1/namespaces", Route::Unknown),
            ("/apis/cluster.core.oam.devil", Route::Unknown),
            (
                "/apis/cluster.core.oam.dev/v1alpha1/clustergatewaysx",
                Route::Unknown,
            ),
            (
                "/apis/cluster.core.oam.dev/v1alpha1/clustergateways",
                Route::List,
            ),
            (
                "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1",
                Route::Get(name),
            ),
            (
                "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxied",
                Route::Unknown,
            ),
            (
                "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/health",
                Route::Health("managed1".parse().unwrap()),
            ),
            (
                "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/attach",
                Route::Attach("managed1".parse().unwrap()),
            ),
            (
                "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/attached",
                Route::Unknown,
            ),
        ];
        for (path, wanted) in table {
            assert_eq!(route(path), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn passes_the_tail_byte_for_byte() {
        for tail in [
            "",
            "/",
            "/healthz",
            "/api/v1/namespaces/default/configmaps/",
            "//api//v1",
            "/api/v1/namespaces/a%2Fb/pods",
            "/api/v1/namespaces/d/services/https:web:443/proxy/a%20b/c%2fd/?x",
            "/apis/x/v1/things/...",
            "/apis/x/v1/things/a..b",
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/other/proxy/healthz",
        ] {
            let path = format!("{GATEWAYS}/managed1/proxy{tail}");
            match route(&path) {
                Ok(Route::Proxy { tail: passed, .. }) => assert_eq!(passed, tail),
                other => panic!("{tail}: {other:?}"),
            }
        }
        let path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/a.b-c.d/proxy/x";
        assert_eq!(route(path), Ok(proxy("a.b-c.d", "/x")));
    }

    #[test]
    fn finds_services_and_passes_their_tails() {
        for (path, service, tail) in [
            ("web/front:80", "web/front:80", ""),
            ("web/front:80/", "web/front:80", "/"),
            ("web/front:80/a%2Fb//c", "web/front:80", "/a%2Fb//c"),
        ] {
            let path = format!("{GATEWAYS}/managed1/services/{path}");
            let cluster = "managed1".parse().unwrap();
            let wanted = Route::Service {
                cluster,
                service: service.parse().unwrap(),
                tail,
            };
            assert_eq!(route(&path), Ok(wanted), "{path}");
        }
        for path in [
            "web",
            "web/front",
            "Web/front:80/x",
            "../front:80",
            "web/front:0",
        ] {
            let path = format!("{GATEWAYS}/managed1/services/{path}");
            assert!(
                matches!(route(&path), Err(PathError::Service { .. })),
                "{path}"
            );
        }
        let path = format!("{GATEWAYS}/managed1/services/web/front:80/../x");
        assert!(matches!(route(&path), Err(PathError::DotSegment { .. })));
    }

    #[test]
    fn refuses_dot_segments_however_written() {
        for tail in [
            "/..",
            "/../",
            "/.",
            "/./api",
            "/api/../../x",
            "/api/%2e%2e/x",
            "/api/%2E%2e/x",
            "/api/.%2e/x",
            "/api/%2e./x",
            "/api/%2e/x",
            "/api/%252e%252e/x",
            "/api/%25252e%25252e/x",
            "/api/a%2f..%2fb",
            "/api/a%2F%2e%2E",
            "/api/..%2f",
            "/api/..%5cwindows",
            "/api/..\\windows",
            "/api/..;v=1/x",
            "/api/%2e%2e%3bv/x",
        ] {
            let path = format!("{GATEWAYS}/managed1/proxy{tail}");
            assert!(
                matches!(route(&path), Err(PathError::DotSegment { .. })),
                "{tail}"
            );
        }
    }

    #[test]
    fn refuses_broken_escapes_and_control_characters() {
        for tail in ["/%", "/%2", "/%zz", "/a%2", "/a%g0b"] {
            assert_eq!(check_tail(tail), Err(PathError::Escape), "{tail}");
        }
        for tail in ["/%00", "/a%0d%0ab", "/%2500"] {
            assert_eq!(check_tail(tail), Err(PathError::Control), "{tail}");
        }
    }

    #[test]
    fn names_what_is_wrong_with_a_cluster_name() {
        for name in ["UPPER", "a_b", "%6danaged1", "..", "-a", "a."] {
            let path = format!("{GATEWAYS}/{name}/proxy/healthz");
            assert!(
                matches!(route(&path), Err(PathError::Name { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn runs_the_fuzz_corpus() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/path");
        let mut seen = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            crate::fuzz_path(&std::fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 10, "the corpus has {seen} files");
    }

    proptest! {
        #[test]
        fn never_lets_a_parent_segment_through(tail in "(/(%2e|\\.|%252e|a|%2f|;|%5c){0,4}){0,4}") {
            let passed = check_tail(&tail).is_ok();
            let mut decoded = tail.clone();
            for _ in 0..4 {
                decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
            }
            let climbs = decoded
                .split(['/', '\\'])
                .map(|segment| segment.split(';').next().unwrap())
                .any(|segment| segment == "." || segment == "..");
            prop_assert_eq!(passed, !climbs, "{}", tail);
        }

        #[test]
        fn never_panics_and_never_changes_a_tail(path in "\\PC*", name in "[a-z0-9]{1,8}") {
            let path = format!("{GATEWAYS}/{name}/proxy/{path}");
            if let Ok(Route::Proxy { tail, .. }) = route(&path) {
                prop_assert!(path.ends_with(tail));
                prop_assert_eq!(path.len(), GATEWAYS.len() + 1 + name.len() + "/proxy".len() + tail.len());
            }
        }
    }
}
