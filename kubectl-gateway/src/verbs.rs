//! The verbs of the command line. Each has its arguments, its run function and its error in one
//! file.

pub(crate) mod clusters;
pub(crate) mod grant;
pub(crate) mod grants_diff;
pub(crate) mod kubeconfig;
pub(crate) mod who_can;
