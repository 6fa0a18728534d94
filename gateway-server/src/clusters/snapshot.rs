//! All managed clusters at one moment, and the reasons why one is missing.

use std::{collections::BTreeMap, sync::Arc};

use crds::ClusterName;
use tokio::time::Instant;

use super::cluster::Cluster;
use crate::account_name::AccountName;

/// All managed clusters at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The clusters by name, in the order of lists.
    pub(crate) by_name: BTreeMap<ClusterName, Arc<Cluster>>,
    /// The clusters that the hub accepts and nobody has enrolled. They are not served, but their agents may
    /// attach, because who enrols a cluster may start its agent first.
    pub(super) aside: BTreeMap<ClusterName, Arc<Cluster>>,
    /// Why clusters that are registered at the hub are not served.
    pub(super) left_out: BTreeMap<ClusterName, Absent>,
    /// Whether every source has been listed. If so, a cluster that is not in here does not exist.
    pub(crate) complete: bool,
    /// When the latest change in it came here.
    pub(super) came: Option<Instant>,
}

impl Snapshot {
    /// Why a cluster that is not served is not.
    pub(super) fn absence(&self, name: &ClusterName) -> Absent {
        if !self.complete {
            return Absent::NotReadYet;
        }
        let known = self.left_out.get(name);
        known.map_or(Absent::Unknown, Absent::clone)
    }
}

/// Why there is no such cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Absent {
    #[error("the hub has no managed cluster with this name")]
    Unknown,
    /// It is registered at the hub, which does not accept it.
    #[error("the hub does not accept this managed cluster: its spec.hubAcceptsClient is false")]
    Denied,
    /// Nobody has asked for a token, as the operator does for clusters that it enrols.
    #[error("the managed cluster is not enrolled: it has no ManagedServiceAccount {0}")]
    Unwanted(AccountName),
    /// The gateway has just started: the cluster may exist.
    #[error("not all managed clusters have been read from the hub yet")]
    NotReadYet,
}

/// Why a cluster is not shown.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unshown {
    #[error(transparent)]
    Absent(#[from] Absent),
    /// Its source is too broken to show.
    #[error("{0}")]
    Unreadable(String),
}
