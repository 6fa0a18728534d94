//! Headers as kubectl, client-go and the hub's aggregator send them.

use http::HeaderValue;

use super::*;

const KUBECTL_GET: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,\
    application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
const AGGREGATOR: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
const METADATA_LIST: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;\
    g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
    application/json";

fn accept(values: &[&'static str]) -> HeaderMap {
    values
        .iter()
        .map(|value| (ACCEPT, HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn objects_come_as_the_client_prefers() {
    use MetaVersion::{V1, V1Beta1};
    use ObjectFormat::{Json, Metadata, Table};
    let cases = [
        ("", Ok(Json)),
        ("application/json", Ok(Json)),
        ("Application/JSON; charset=utf-8", Ok(Json)),
        ("application/json, */*", Ok(Json)),
        ("*/*", Ok(Json)),
        ("*", Ok(Json)),
        ("application/*", Ok(Json)),
        (
            "application/vnd.kubernetes.protobuf,application/json",
            Ok(Json),
        ),
        (KUBECTL_GET, Ok(Table(V1))),
        (
            "application/json;as=Table;g=meta.k8s.io;v=v1beta1",
            Ok(Table(V1Beta1)),
        ),
        ("*/*;as=Table;g=meta.k8s.io;v=v1", Ok(Table(V1))),
        (METADATA_LIST, Ok(Metadata(V1))),
        (
            "application/json;as=Table;g=meta.k8s.io;v=v2,application/json",
            Ok(Json),
        ),
        (
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            Err(NotAcceptable),
        ),
        ("application/json;as=Table", Err(NotAcceptable)),
        ("application/json;g=meta.k8s.io;v=v1", Err(NotAcceptable)),
        ("application/vnd.kubernetes.protobuf", Err(NotAcceptable)),
        ("application/yaml", Err(NotAcceptable)),
        ("text/html", Err(NotAcceptable)),
        ("application/json;q=0", Err(NotAcceptable)),
        ("application", Err(NotAcceptable)),
    ];
    for (header, expected) in cases {
        assert_eq!(
            object(&accept(&[header]), Shape::List),
            expected,
            "{header}"
        );
    }
    let single = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    assert_eq!(object(&accept(&[single]), Shape::Single), Ok(Metadata(V1)));
}

#[test]
fn quality_comes_before_order_and_order_before_nothing() {
    use ObjectFormat::{Json, Table};
    let table = Table(MetaVersion::V1);
    let cases = [
        (
            "application/json;q=0.5,application/json;as=Table;g=meta.k8s.io;v=v1",
            table,
        ),
        (
            "application/json;as=Table;g=meta.k8s.io;v=v1;q=0.9,application/json",
            Json,
        ),
        ("*/*,application/json;as=Table;g=meta.k8s.io;v=v1", table),
        (
            "application/*;q=0.8,*/*;as=Table;g=meta.k8s.io;v=v1;q=0.9",
            table,
        ),
        ("application/json;q=oops", Json),
    ];
    for (header, expected) in cases {
        assert_eq!(
            object(&accept(&[header]), Shape::List),
            Ok(expected),
            "{header}"
        );
    }
}

#[test]
fn several_header_lines_are_one_list() {
    let headers = accept(&["text/plain", "application/json"]);
    assert_eq!(plain(&headers), Ok(()));
    assert_eq!(plain(&HeaderMap::new()), Ok(()));
    let unreadable = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_bytes(b"\xff").unwrap())]);
    assert_eq!(plain(&unreadable), Err(NotAcceptable));
}

#[test]
fn discovery_is_aggregated_only_when_asked() {
    use DiscoveryFormat::{AggregatedV2, AggregatedV2Beta1, Groups};
    let beta_only = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    let no_peer =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer";
    let future = "application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList";
    let cases = [
        ("", Ok(Groups)),
        ("*/*", Ok(Groups)),
        ("application/json", Ok(Groups)),
        (
            "application/vnd.kubernetes.protobuf,application/json",
            Ok(Groups),
        ),
        (AGGREGATOR, Ok(AggregatedV2)),
        (no_peer, Ok(AggregatedV2)),
        (beta_only, Ok(AggregatedV2Beta1)),
        (future, Err(NotAcceptable)),
        ("application/vnd.kubernetes.protobuf", Err(NotAcceptable)),
    ];
    for (header, expected) in cases {
        assert_eq!(discovery(&accept(&[header])), expected, "{header}");
    }
}

#[test]
fn openapi_clients_that_read_only_protobuf_are_refused() {
    let v3 = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
    assert_eq!(plain(&accept(&[v3])), Err(NotAcceptable));
    assert_eq!(plain(&accept(&[v3, "application/json;q=0.5"])), Ok(()));
    assert_eq!(plain(&accept(&[KUBECTL_GET])), Ok(()));
}
