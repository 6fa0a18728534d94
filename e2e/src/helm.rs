//! helm as a user runs it. Like kubectl here, it has a kubeconfig, a home of its own and a
//! deadline.

use std::path::PathBuf;

use crate::{
    cluster::Cluster,
    kubectl::Kubectl,
    programs::{EnsureError, HELM, Programs},
};

/// The directory of our chart.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/chart");

/// The pinned helm.
#[derive(Clone, Debug)]
pub struct Helm(PathBuf);

impl Helm {
    /// Finds helm, or builds it, which takes minutes.
    pub fn ensure() -> Result<Self, EnsureError> {
        let programs = Programs::ensure(&[&HELM])?;
        Ok(Self(programs.path("helm").to_owned()))
    }

    /// A helm command line for a cluster's admin.
    pub fn on(&self, cluster: &Cluster, args: &[&str]) -> Kubectl {
        let home = &cluster.site().directory;
        Kubectl::new(&self.0, home, &cluster.kubeconfig_path(), args)
    }
}
