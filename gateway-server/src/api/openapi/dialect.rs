//! The two versions of `OpenAPI` that are served.

use serde_json::{Value, json};

/// Version of the `OpenAPI` specification; the two differ in where things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    V2,
    V3,
}

impl Dialect {
    /// Reference to a schema of the same document.
    pub(super) fn reference(self, name: &str) -> Value {
        let section = match self {
            Self::V2 => "definitions",
            Self::V3 => "components/schemas",
        };
        json!({ "$ref": format!("#/{section}/{name}") })
    }
}
