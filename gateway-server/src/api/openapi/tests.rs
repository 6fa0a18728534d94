//! The documents as a whole, and the promises that their readers rely on.

use super::*;
use http::{HeaderValue, header::ACCEPT};

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Every value of `keyword`, however deep.
fn all<'a>(keyword: &str, document: &'a Value) -> Vec<&'a Value> {
    let nested: Vec<&Value> = match document {
        Value::Object(object) => object.values().collect(),
        Value::Array(array) => array.iter().collect(),
        _ => Vec::new(),
    };
    let own = document.get(keyword).into_iter();
    own.chain(nested.into_iter().flat_map(|value| all(keyword, value)))
        .collect()
}

#[test]
fn v2_describes_kinds_and_paths() {
    insta::assert_json_snapshot!(document(Dialect::V2));
}

#[test]
fn v3_describes_kinds_and_paths() {
    insta::assert_json_snapshot!(document(Dialect::V3));
}

#[test]
fn references_stay_inside_the_document() {
    for (dialect, root) in [(Dialect::V2, ""), (Dialect::V3, "/components/schemas")] {
        let document = document(dialect);
        let references = all("$ref", &document);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer} of {root}");
        }
    }
}

#[test]
fn definitions_cannot_collide_with_the_hubs() {
    let document = document(Dialect::V2);
    let names = document["definitions"].as_object().unwrap().keys();
    assert!(
        names
            .into_iter()
            .all(|name| name.starts_with("dev.oam.core.cluster.v1alpha1."))
    );
}

#[test]
fn v2_has_no_keyword_of_v3() {
    let document = document(Dialect::V2);
    for keyword in ["nullable", "anyOf", "oneOf", "content", "components"] {
        assert!(all(keyword, &document).is_empty(), "{keyword}");
    }
}

#[test]
fn every_operation_is_named_once() {
    let document = document(Dialect::V3);
    let mut ids: Vec<_> = all("operationId", &document)
        .into_iter()
        .map(Value::as_str)
        .collect();
    let total = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), total), (18, 18));
}

#[test]
fn the_index_names_the_document_by_its_hash() {
    let openapi = OpenApi::new();
    let index = body(openapi.v3_index());
    let url = index["paths"][GROUP_VERSION_PATH]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let (path, query) = url.split_once('?').unwrap();
    assert_eq!(path, "/openapi/v3/apis/cluster.core.oam.dev/v1alpha1");

    let kept = openapi.v3(&HeaderMap::new(), Some(query)).unwrap();
    assert_eq!(
        kept.cache_control,
        Some("public, immutable, max-age=31536000")
    );
    for query in [None, Some("hash=OLD")] {
        let fresh = openapi.v3(&HeaderMap::new(), query).unwrap();
        assert_eq!((fresh.cache_control, &fresh.body), (None, &kept.body));
        assert!(fresh.etag.is_some());
    }
}

#[test]
fn documents_are_the_same_each_time() {
    let (first, second) = (OpenApi::new(), OpenApi::new());
    assert_eq!(first.v2, second.v2);
    assert_eq!(first.v3_hash, second.v3_hash);
}

#[test]
fn readers_of_protobuf_alone_are_refused() {
    let value = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]);
    let openapi = OpenApi::new();
    assert_eq!(openapi.v2(&headers), Err(NotAcceptable));
    assert_eq!(openapi.v3(&headers, None), Err(NotAcceptable));
}
