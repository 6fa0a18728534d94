//! Schemas of foreign types that have none.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Schema of [`k8s_openapi::ByteString`]: a base64 string, as Kubernetes declares bytes.
pub(crate) fn bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "byte" })
}
