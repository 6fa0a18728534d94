//! Objects and lists as JSON; tables are tested beside [`Table`].

use super::*;
use crate::api::{accept::MetaVersion, options::IncludeObject};
use crds::cluster_core::{
    ClusterAccess, ClusterEndpoint, ClusterGateway, ClusterGatewaySpec, ConstEndpoint,
    CredentialType, EndpointType,
};
use jiff::Timestamp;
use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::Time};
use serde_json::Value;

/// 2024-05-01T10:00:00Z.
pub(in super::super) const CREATED: i64 = 1_714_557_600;

/// A gateway as a careless caller would fill it from a Secret.
pub(crate) fn gateway(name: &str) -> ClusterGateway {
    let constant = ConstEndpoint {
        address: "https://10.0.0.1:6443".into(),
        ca_bundle: Some(ByteString(b"ca".into())),
        insecure: None,
        proxy_url: None,
    };
    let mut gateway = ClusterGateway::new(
        name,
        ClusterGatewaySpec {
            provider: String::new(),
            access: ClusterAccess {
                endpoint: ClusterEndpoint {
                    endpoint_type: EndpointType::Const,
                    constant: Some(constant),
                },
                credential: CredentialType::ServiceAccountToken.into(),
            },
        },
    );
    let text = |text: &str| text.to_owned();
    gateway.metadata.namespace = Some(text("open-cluster-management-credentials"));
    gateway.metadata.uid = Some(text("u-1"));
    gateway.metadata.resource_version = Some(text("41"));
    gateway.metadata.creation_timestamp = Some(Time(Timestamp::from_second(CREATED).unwrap()));
    gateway.metadata.labels = Some([(text("env"), text("prod"))].into());
    gateway.metadata.annotations = Some(
        [(
            text("kubectl.kubernetes.io/last-applied-configuration"),
            text("ey.secret"),
        )]
        .into(),
    );
    gateway
}

pub(crate) fn rendering(format: ObjectFormat) -> Rendering {
    Rendering {
        format,
        include: IncludeObject::Metadata,
        now: Timestamp::from_second(CREATED + 3 * 86_400).unwrap(),
    }
}

pub(in super::super) fn body(answer: &Answer) -> Value {
    assert_eq!(answer.content_type, "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn an_object_shows_its_spec_and_no_annotations() {
    insta::assert_json_snapshot!(body(&single(
        &gateway("managed1"),
        rendering(ObjectFormat::Json)
    )));
}

#[test]
fn an_object_reads_back_as_its_type() {
    let answer = single(&gateway("managed1"), rendering(ObjectFormat::Json));
    let read: ClusterGateway = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(read.spec, gateway("managed1").spec);
}

#[test]
fn a_list_carries_the_version_of_the_snapshot() {
    let gateways = [gateway("a"), gateway("b")];
    let whole = ListMetadata::whole("42");
    let list = body(&list(&gateways, whole, rendering(ObjectFormat::Json)));
    assert_eq!(list["kind"], "ClusterGatewayList");
    assert_eq!(list["metadata"]["resourceVersion"], "42");
    assert_eq!(list["items"][1]["metadata"]["name"], "b");
    assert_eq!(list["items"][1]["kind"], "ClusterGateway");
}

#[test]
fn an_empty_list_has_items_all_the_same() {
    let whole = ListMetadata::whole("");
    let list = body(&list::<ClusterGateway>(
        [],
        whole,
        rendering(ObjectFormat::Json),
    ));
    assert_eq!(list["items"], serde_json::json!([]));
    assert_eq!(list["metadata"], serde_json::json!({}));
}

#[test]
fn metadata_comes_alone_when_asked() {
    let format = ObjectFormat::Metadata(MetaVersion::V1);
    let item = body(&single(&gateway("managed1"), rendering(format)));
    insta::assert_json_snapshot!(item);
    let part = ListMetadata {
        rest: Some("42.managed1"),
        remaining_item_count: Some(7),
        ..ListMetadata::whole("42")
    };
    let list = body(&list([&gateway("managed1")], part, rendering(format)));
    assert_eq!(
        list["metadata"],
        serde_json::json!({"resourceVersion": "42", "continue": "42.managed1", "remainingItemCount": 7})
    );
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["apiVersion"], "meta.k8s.io/v1");
    assert_eq!(list["items"][0], item);
}
