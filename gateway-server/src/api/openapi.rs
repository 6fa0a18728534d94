//! `OpenAPI` documents, v2 and v3, built once from the types' own schemas. `kubectl explain` reads
//! v3; the hub merges v2 into its own document, renaming definitions whose names it has already, so
//! ours stay under our group's name and refer to nobody else's.

mod dialect;
mod paths;
mod schemas;

use http::HeaderMap;
use serde_json::{Value, json};

use self::dialect::Dialect;
use super::{
    Answer,
    accept::{self, NotAcceptable},
    hash,
};

/// Path of the v3 document of our group and version, below `/openapi/v3`.
const GROUP_VERSION_PATH: &str = "apis/cluster.core.oam.dev/v1alpha1";

/// The `OpenAPI` documents, rendered once.
#[derive(Debug)]
pub(crate) struct OpenApi {
    v2: Answer,
    v3_index: Answer,
    v3: Answer,
    v3_hash: String,
}

impl OpenApi {
    /// Renders the documents.
    pub(crate) fn new() -> Self {
        let v3 = Answer::json(&document(Dialect::V3)).tagged();
        let v3_hash = hash(&v3.body);
        let url = format!("/openapi/v3/{GROUP_VERSION_PATH}?hash={v3_hash}");
        let index = json!({ "paths": { GROUP_VERSION_PATH: { "serverRelativeURL": url } } });
        Self {
            v2: Answer::json(&document(Dialect::V2)).tagged(),
            v3_index: Answer::json(&index).tagged(),
            v3,
            v3_hash,
        }
    }

    /// `/openapi/v2`.
    pub(crate) fn v2(&self, headers: &HeaderMap) -> Result<&Answer, NotAcceptable> {
        accept::plain(headers).map(|()| &self.v2)
    }

    /// `/openapi/v3`: where the documents of the groups are. JSON whatever is accepted, as the
    /// API server answers it.
    pub(crate) fn v3_index(&self) -> &Answer {
        &self.v3_index
    }

    /// `/openapi/v3/apis/cluster.core.oam.dev/v1alpha1`.
    ///
    /// A query with the hash of the index names this very text, which may be kept for good.
    pub(crate) fn v3(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Answer, NotAcceptable> {
        accept::plain(headers)?;
        let named = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .any(|(key, value)| key == "hash" && value == self.v3_hash.as_str());
        let cache_control = named.then_some("public, immutable, max-age=31536000");
        Ok(Answer {
            cache_control,
            ..self.v3.clone()
        })
    }
}

fn document(dialect: Dialect) -> Value {
    let info = json!({ "title": "Spokeway", "version": crds::cluster_core::VERSION });
    let paths = paths::paths(dialect);
    let schemas = schemas::schemas(dialect);
    match dialect {
        Dialect::V2 => {
            json!({ "swagger": "2.0", "info": info, "paths": paths, "definitions": schemas })
        }
        Dialect::V3 => json!({
            "openapi": "3.0.0",
            "info": info,
            "paths": paths,
            "components": { "schemas": schemas },
        }),
    }
}

#[cfg(test)]
mod tests;
