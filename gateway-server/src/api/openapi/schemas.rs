//! Schemas of the served kinds, inline except for an item in its list: nested types have no use of
//! their own, and each name less is one that cannot collide in the hub's merged document.

use crds::cluster_core::{
    ClusterGateway, ClusterGatewayProxyOptions, GROUP, VERSION, VirtualCluster,
};
use kube::CustomResourceExt;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::dialect::Dialect;

pub(super) const GATEWAY: &str = "dev.oam.core.cluster.v1alpha1.ClusterGateway";
pub(super) const GATEWAY_LIST: &str = "dev.oam.core.cluster.v1alpha1.ClusterGatewayList";
pub(super) const VIRTUAL: &str = "dev.oam.core.cluster.v1alpha1.VirtualCluster";
pub(super) const VIRTUAL_LIST: &str = "dev.oam.core.cluster.v1alpha1.VirtualClusterList";
const PROXY_OPTIONS: &str = "dev.oam.core.cluster.v1alpha1.ClusterGatewayProxyOptions";

/// The group, version and kind by which clients find schemas and operations.
pub(super) fn gvk(kind: &str) -> Value {
    json!({ "group": GROUP, "version": VERSION, "kind": kind })
}

pub(super) fn schemas(dialect: Dialect) -> Value {
    json!({
        GATEWAY: of_kind("ClusterGateway", object::<ClusterGateway>()),
        GATEWAY_LIST: of_kind("ClusterGatewayList", list(
            "ClusterGatewayList is a list of managed clusters that can be reached through the gateway.",
            &dialect.reference(GATEWAY),
        )),
        VIRTUAL: of_kind("VirtualCluster", object::<VirtualCluster>()),
        VIRTUAL_LIST: of_kind("VirtualClusterList", list(
            "VirtualClusterList is a list of the clusters that the hub knows, the hub itself first.",
            &dialect.reference(VIRTUAL),
        )),
        PROXY_OPTIONS: of_kind("ClusterGatewayProxyOptions", schema_of::<ClusterGatewayProxyOptions>()),
    })
}

fn object<K: CustomResourceExt>() -> Value {
    // The derived CRD is never installed; it holds the schema with everything inlined.
    let mut crd = serde_json::to_value(K::crd())
        .expect("a definition has string keys and no fallible encoders");
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
    schema["properties"]["metadata"] = json!({
        "description": "Name and labels of the cluster. There are no annotations.",
        "type": "object",
        "properties": {
            "name": text("Name of the managed cluster."),
            "uid": text("UID of the object on the hub that makes the cluster known."),
            "resourceVersion": text("Changes whenever the object changes."),
            "creationTimestamp": {
                "description": "When the object that makes the cluster known to the gateway was created.",
                "type": "string",
                "format": "date-time",
            },
            "labels": {
                "description": "Labels that a labelSelector can match.",
                "type": "object",
                "additionalProperties": { "type": "string" },
            },
        },
    });
    schema
}

fn list(description: &str, item: &Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "required": ["items"],
        "properties": {
            "metadata": {
                "description": "Version of the list.",
                "type": "object",
                "properties": { "resourceVersion": text("Changes whenever an object changes.") },
            },
            "items": {
                "description": "The clusters.",
                "type": "array",
                "items": item,
            },
        },
    })
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Adds what every kind has, and drops what v2 or the hub would stumble over.
fn of_kind(kind: &str, mut schema: Value) -> Value {
    strip(&mut schema);
    schema["properties"]["apiVersion"] = text("Group and version: cluster.core.oam.dev/v1alpha1.");
    schema["properties"]["kind"] = text(&format!("Name of this kind: {kind}."));
    schema["x-kubernetes-group-version-kind"] = json!([gvk(kind)]);
    schema
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

/// Removes keywords that v2 lacks (`nullable`: absent and null mean the same to Kubernetes) and
/// that say nothing (`title`, `$schema`).
fn strip(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    for keyword in ["$schema", "nullable", "title"] {
        schema.remove(keyword);
    }
    // Below "properties" the keys are names of fields, not keywords.
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties
        .into_iter()
        .flat_map(Map::values_mut)
        .for_each(strip);
    schema.get_mut("items").into_iter().for_each(strip);
}
