//! An object that works carry to clusters, serialized and hashed once however many of them hold it. Pure.

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

    /// Bytes of it in a work.
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

/// What is kept of a work's manifests: digits that stand for all of them, in their order. The API server
/// keeps them as they are sent, so that these tell as much.
pub(crate) fn hash(manifests: &[Manifest]) -> String {
    let digests = manifests.iter().flat_map(|it| it.digest.to_be_bytes());
    digest::digits(&digests.collect::<Vec<_>>())
}
