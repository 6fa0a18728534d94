//! Kubeconfigs: read without interpretation, edited, and written back completely.

pub(crate) mod documents;
pub(crate) mod edit;
pub(crate) mod file;
pub(crate) mod update;
