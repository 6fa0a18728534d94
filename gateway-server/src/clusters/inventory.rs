//! The hub's objects about managed clusters, each parsed once, and which of them count. An event
//! parses only its own object. Pure.

use crds::{ClusterName, cluster::ManagedCluster};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::{
    accepted_cluster::AcceptedCluster,
    definition::Definition,
    derived::{Derivation, derive},
    secret::{self, Fault},
    sheet::Sheet,
    token::Token,
};
use crate::tunnels::Tunnels;

/// Everything known of managed clusters.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    manual: Sheet<Definition>,
    managed_clusters: Sheet<AcceptedCluster>,
    tokens: Sheet<Result<Token, Fault>>,
}

/// One kind of object to know clusters from.
pub(super) trait Source {
    /// The object that the hub holds.
    type Object: ResourceExt
        + kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + 'static;
    /// What is kept of it.
    type Entry;
    /// Name of its objects in logs.
    const WHAT: &'static str;

    /// The cluster that the object is about; `None` if it is about no cluster.
    fn cluster(object: &Self::Object) -> Option<ClusterName>;
    /// What is kept of the object; `None` if it does not count.
    fn read(cluster: &ClusterName, object: &Self::Object, tunnels: &Tunnels)
    -> Option<Self::Entry>;
    /// Where that is kept.
    fn sheet(inventory: &mut Inventory) -> &mut Sheet<Self::Entry>;
}

/// The revision of the hub at which an object was written last; 0 if that cannot be read.
pub(super) fn revision_of(object: &impl ResourceExt) -> u64 {
    let revision = object.resource_version();
    revision.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// The Secrets of the manual mode.
#[derive(Debug)]
pub(super) struct Manual;

/// The `ManagedCluster`s.
#[derive(Debug)]
pub(super) struct ManagedClusters;

/// The Secrets of `ManagedServiceAccount`s.
#[derive(Debug)]
pub(super) struct Tokens;

impl Source for Manual {
    type Object = Secret;
    type Entry = Definition;
    const WHAT: &'static str = "Secrets of the manual mode";

    fn cluster(secret: &Secret) -> Option<ClusterName> {
        let name = secret.name_any();
        let cluster = name.parse();
        if let Err(fault) = &cluster {
            warn!(secret = name, %fault, "Secret is ignored: its name cannot be the name of a managed cluster");
        }
        cluster.ok()
    }

    fn read(cluster: &ClusterName, secret: &Secret, tunnels: &Tunnels) -> Option<Definition> {
        Some(secret::read(cluster, secret, tunnels))
    }

    fn sheet(inventory: &mut Inventory) -> &mut Sheet<Definition> {
        &mut inventory.manual
    }
}

impl Source for ManagedClusters {
    type Object = ManagedCluster;
    type Entry = AcceptedCluster;
    const WHAT: &'static str = "ManagedClusters";

    fn cluster(cluster: &ManagedCluster) -> Option<ClusterName> {
        cluster.name_any().parse().ok()
    }

    fn read(_: &ClusterName, cluster: &ManagedCluster, _: &Tunnels) -> Option<AcceptedCluster> {
        AcceptedCluster::read(cluster)
    }

    fn sheet(inventory: &mut Inventory) -> &mut Sheet<AcceptedCluster> {
        &mut inventory.managed_clusters
    }
}

impl Source for Tokens {
    type Object = Secret;
    type Entry = Result<Token, Fault>;
    const WHAT: &'static str = "Secrets of ManagedServiceAccounts";

    fn cluster(secret: &Secret) -> Option<ClusterName> {
        secret.namespace()?.parse().ok()
    }

    fn read(_: &ClusterName, secret: &Secret, _: &Tunnels) -> Option<Self::Entry> {
        Some(Token::read(secret))
    }

    fn sheet(inventory: &mut Inventory) -> &mut Sheet<Self::Entry> {
        &mut inventory.tokens
    }
}

impl Inventory {
    /// The definition of a managed cluster; `None` if there is no such cluster. A Secret of the
    /// manual mode takes precedence over a derived definition.
    pub(super) fn definition(
        &self,
        cluster: &ClusterName,
        derivation: Option<&Derivation>,
        tunnels: &Tunnels,
    ) -> Option<Definition> {
        if let Some(manual) = self.manual.get(cluster) {
            return Some(manual.clone());
        }
        let accepted = self.managed_clusters.get(cluster)?;
        let token = self.tokens.get(cluster);
        Some(derive(cluster, accepted, token, derivation?, tunnels))
    }

    /// The newest revision of the objects that make the definition of a managed cluster.
    pub(super) fn revision(&self, cluster: &ClusterName) -> u64 {
        if self.manual.get(cluster).is_some() {
            return self.manual.revision(cluster);
        }
        let registered = self.managed_clusters.revision(cluster);
        registered.max(self.tokens.revision(cluster))
    }

    /// Whether every source has been listed. Then a cluster that is not in here does not exist.
    pub(super) fn is_listed(&self, derives: bool) -> bool {
        let are_both = self.managed_clusters.is_listed() && self.tokens.is_listed();
        self.manual.is_listed() && (are_both || !derives)
    }
}
