use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;

const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";

fn proxy(name: &str, tail: &'static str) -> Route<'static> {
    Route::Endpoint(Endpoint::Proxy {
        cluster: name.parse().unwrap(),
        tail,
    })
}

fn own(own: Own) -> Route<'static> {
    Route::Endpoint(Endpoint::Own(own))
}

fn document(document: Document) -> Route<'static> {
    own(Own::Document(document))
}

#[test]
fn finds_every_route() {
    let name: ClusterName = "managed1".parse().unwrap();
    let table = [
        ("/livez", Route::Livez),
        ("/healthz", Route::Livez),
        ("/readyz", Route::Readyz),
        ("/settings", Route::Settings),
        ("/metrics", document(Document::Metrics)),
        ("/apis", document(Document::Groups)),
        ("/apis/cluster.core.oam.dev", document(Document::Group)),
        (
            "/apis/cluster.core.oam.dev/v1alpha1",
            document(Document::Resources),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/",
            document(Document::Resources),
        ),
        ("/openapi/v2", document(Document::OpenApiV2)),
        ("/openapi/v3", document(Document::OpenApiV3)),
        (
            "/openapi/v3/apis/cluster.core.oam.dev/v1alpha1",
            document(Document::OpenApiV3GroupVersion),
        ),
        ("/openapi/v3/apis/apps/v1", own(Own::Unknown)),
        ("/", own(Own::Unknown)),
        ("", own(Own::Unknown)),
        ("/api/v1/namespaces", own(Own::Unknown)),
        ("/apis/cluster.core.oam.devil", own(Own::Unknown)),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/clustergatewaysx",
            own(Own::Unknown),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways",
            own(Own::List(Collection::ClusterGateways)),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1",
            own(Own::Get(Collection::ClusterGateways, name)),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxied",
            own(Own::Unknown),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/health",
            own(Own::Health("managed1".parse().unwrap())),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/attach",
            Route::Endpoint(Endpoint::Attach("managed1".parse().unwrap())),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/attached",
            own(Own::Unknown),
        ),
    ];
    for (path, wanted) in table {
        assert_eq!(route(path), Ok(wanted), "{path}");
    }
}

#[test]
fn virtual_clusters_have_no_subresources() {
    let name: ClusterName = "managed1".parse().unwrap();
    let table = [
        (
            "/apis/cluster.core.oam.dev/v1alpha1/virtualclusters",
            own(Own::List(Collection::VirtualClusters)),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/virtualclusters/",
            own(Own::List(Collection::VirtualClusters)),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/virtualclusters/managed1",
            own(Own::Get(Collection::VirtualClusters, name)),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/virtualclustersx",
            own(Own::Unknown),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/virtualclusters/managed1/proxy/healthz",
            own(Own::Unknown),
        ),
        (
            "/apis/cluster.core.oam.dev/v1alpha1/virtualclusters/managed1/health",
            own(Own::Unknown),
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
            Ok(Route::Endpoint(Endpoint::Proxy { tail: passed, .. })) => assert_eq!(passed, tail),
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
        let wanted = Route::Endpoint(Endpoint::Service {
            cluster,
            service: service.parse().unwrap(),
            tail,
        });
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
        if let Ok(Route::Endpoint(Endpoint::Proxy { tail, .. })) = route(&path) {
            prop_assert!(path.ends_with(tail));
            prop_assert_eq!(path.len(), GATEWAYS.len() + 1 + name.len() + "/proxy".len() + tail.len());
        }
    }
}
