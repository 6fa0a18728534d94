//! An object that works carry to clusters. It is serialized and hashed once, however many works
//! hold it. Pure.

use std::sync::Arc;

use serde_json::Value;

use crate::digest;

/// An object of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    object: Arc<Value>,
    digest: u64,
    size: usize,
}

impl Manifest {
    pub(crate) fn object(&self) -> &Value {
        &self.object
    }

    /// Its size in a work, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

impl From<Value> for Manifest {
    fn from(object: Value) -> Self {
        let text = object.to_string();
        Self {
            object: Arc::new(object),
            digest: digest::number(text.as_bytes()),
            size: text.len(),
        }
    }
}

/// A hash over all manifests of a work, in order. It is kept in place of the manifests. This is
/// enough because the API server stores manifests exactly as they are sent.
pub(crate) fn hash(manifests: &[Manifest]) -> String {
    let digests = manifests.iter().flat_map(|it| it.digest.to_be_bytes());
    digest::digits(&digests.collect::<Vec<_>>())
}
