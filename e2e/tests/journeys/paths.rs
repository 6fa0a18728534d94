//! The path after `/proxy` reaches the spoke as it was sent, byte for byte.

use e2e::Gateway;
use http::{Method, Request, StatusCode};

use crate::{
    door::{Caller, Door},
    managed::Managed,
    mirror::{Mirror, Protocol},
    proxy,
};

/// Paths and queries that a server or library on the way might normalize.
const TAILS: &[&str] = &[
    "/",
    "//",
    "/api/v1/namespaces",
    "/api/v1/namespaces/",
    "//api//v1///namespaces",
    "/a%2Fb/c%2fd",
    "/a%20b%25c%C3%A4",
    "/api/v1/namespaces/n/services/http:web:80/proxy/a;b=c/:d@e!$&'()*+,=~",
    "/a...b/...",
    "/?",
    "/a?",
    "/a?b",
    "/a?b=",
    "/a?b=&b=&=c&&",
    "/a?dryRun=All&dryRun=All",
    "/a?labelSelector=x%3Dy%2Cz%20in%20%28a%2Cb%29&limit=500&continue=",
    "/a?b=c+d%2Be%20f",
    "/a?b=/../c//d?e",
    "/a?pretty=%ZZ&b[]=1",
];

#[tokio::test]
async fn path_and_query_reach_the_spoke_byte_for_byte() {
    let gateway = Gateway::shared().await;
    let door = Door::open(&gateway).await;
    for (protocol, name) in [(Protocol::Http1, "mirror-1"), (Protocol::Http2, "mirror-2")] {
        let mirror = Mirror::start(protocol).await;
        for base_path in ["", "/k8s/clusters/c-1"] {
            let name = if base_path.is_empty() {
                name.to_owned()
            } else {
                format!("{name}-base")
            };
            mirror.register(&gateway, &name, base_path).await;
            for tail in TAILS {
                let (code, seen) = door.get(&proxy(&name, tail)).await;
                assert_eq!(code, StatusCode::OK, "{tail}: {seen}");
                assert_eq!(seen, format!("GET {base_path}{tail}"), "{protocol:?}");
            }
        }
        let (_, seen) = door.get(&proxy(name, "")).await;
        assert_eq!(seen, "GET /", "{protocol:?}");
        for method in [
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ] {
            let path = proxy(name, "/a%2Fb?c");
            let answer = door
                .send(Caller::Master, method.clone(), &path, Vec::new())
                .await;
            let seen = http_body_util::BodyExt::collect(answer.unwrap().into_body()).await;
            let wanted = format!("{method} /a%2Fb?c");
            assert_eq!(seen.unwrap().to_bytes(), wanted, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_asked_for_twice_is_still_one() {
    let managed = Managed::with_namespace("twice").await;
    let door = Door::open(&managed.gateway).await;
    let maps = "/api/v1/namespaces/twice/configmaps";
    let path = proxy(
        "managed1",
        &format!("{maps}?dryRun=All&dryRun=All&fieldManager="),
    );
    let body = br#"{"metadata": {"name": "imagined"}}"#.to_vec();
    let answer = door.send(Caller::Master, Method::POST, &path, body).await;
    assert_eq!(answer.unwrap().status(), StatusCode::CREATED);
    let (code, _) = door
        .get(&proxy("managed1", &format!("{maps}/imagined")))
        .await;
    assert_eq!(code, StatusCode::NOT_FOUND);
}

/// The aggregator parses path and query and writes them again. That is how Kubernetes works, and it
/// is pinned here. A client that needs every byte must use the gateway's own port.
#[tokio::test]
async fn the_hub_writes_some_paths_and_queries_anew() {
    let gateway = Gateway::shared().await;
    let mirror = Mirror::start(Protocol::Http2).await;
    mirror.register(&gateway, "mirror-hub", "").await;
    let client = gateway.hub().client();
    let table = [
        ("//api//v1///namespaces/", "//api//v1///namespaces/"),
        ("/a%20b%25c", "/a%20b%25c"),
        ("/a?dryRun=All&dryRun=All", "/a?dryRun=All&dryRun=All"),
        ("/a?z=%20&b", "/a?b=&z=+"),
        ("/a%2Fb", "/a/b"),
    ];
    for (sent, arrives) in table {
        let request = Request::get(proxy("mirror-hub", sent)).body(Vec::new());
        let seen = client.request_text(request.unwrap()).await.unwrap();
        assert_eq!(seen, format!("GET {arrives}"));
    }
}
