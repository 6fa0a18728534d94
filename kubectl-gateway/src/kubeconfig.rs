//! Kubeconfigs: read as they are, edited, and written back whole.

pub(crate) mod documents;
pub(crate) mod edit;
pub(crate) mod file;
pub(crate) mod update;
