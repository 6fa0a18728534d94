//! The verbs of the command line: each with its arguments, its run and its error in one file.

pub(crate) mod clusters;
pub(crate) mod grant;
pub(crate) mod grants_diff;
pub(crate) mod kubeconfig;
pub(crate) mod who_can;
