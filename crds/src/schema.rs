//! Schemas of foreign types that bring none.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Schema of [`k8s_openapi::ByteString`]: base64 in a string, as Kubernetes declares bytes.
pub(crate) fn bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "byte" })
}
