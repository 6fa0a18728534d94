//! The hub's objects about managed clusters, each parsed once, and which of them count. An event
//! parses only its own object. Pure.

use crds::{
    ClusterName, authentication::ManagedServiceAccount, cluster::ManagedCluster,
    cluster_core::VirtualCluster,
};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::{
    accepted_cluster::Registration,
    definition::Definition,
    derived::{Derivation, derive},
    secret::{self, Fault},
    sheet::Sheet,
    snapshot::Absent,
    token::Token,
    virtual_cluster,
};
use crate::tunnels::Tunnels;

/// Everything known of managed clusters.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    manual: Sheet<Definition>,
    managed_clusters: Sheet<Registration>,
    accounts: Sheet<()>,
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
    /// The gateway also works without it.
    const IS_OPTIONAL: bool = false;

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

/// The `ManagedServiceAccount`s: whether anybody wants a token for a cluster.
#[derive(Debug)]
pub(super) struct Accounts;

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
    type Entry = Registration;
    const WHAT: &'static str = "ManagedClusters";

    fn cluster(cluster: &ManagedCluster) -> Option<ClusterName> {
        cluster.name_any().parse().ok()
    }

    fn read(_: &ClusterName, cluster: &ManagedCluster, _: &Tunnels) -> Option<Registration> {
        Registration::read(cluster)
    }

    fn sheet(inventory: &mut Inventory) -> &mut Sheet<Registration> {
        &mut inventory.managed_clusters
    }
}

impl Source for Accounts {
    type Object = ManagedServiceAccount;
    type Entry = ();
    const WHAT: &'static str = "ManagedServiceAccounts";
    const IS_OPTIONAL: bool = true;

    fn cluster(account: &ManagedServiceAccount) -> Option<ClusterName> {
        account.namespace()?.parse().ok()
    }

    fn read(_: &ClusterName, account: &ManagedServiceAccount, _: &Tunnels) -> Option<()> {
        account.metadata.deletion_timestamp.is_none().then_some(())
    }

    fn sheet(inventory: &mut Inventory) -> &mut Sheet<()> {
        &mut inventory.accounts
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
        let Registration::Accepted(accepted) = self.managed_clusters.get(cluster)? else {
            return None;
        };
        let token = self.tokens.get(cluster);
        Some(derive(cluster, accepted, token, derivation?, tunnels))
    }

    /// Why a managed cluster is not served, if it is registered.
    pub(super) fn left_out(
        &self,
        cluster: &ClusterName,
        derivation: &Derivation,
    ) -> Option<Absent> {
        Some(match self.managed_clusters.get(cluster)? {
            Registration::Denied(_) => Absent::Denied,
            Registration::Accepted(_) => Absent::Unwanted(derivation.account.clone()),
        })
    }

    /// The cluster as `virtualclusters` shows it, and its revision. `served` is its definition if the
    /// gateway serves it.
    pub(super) fn virtual_cluster(
        &self,
        cluster: &ClusterName,
        served: Option<&Definition>,
    ) -> (Option<VirtualCluster>, u64) {
        let revision = self.revision(cluster);
        if let Some(served) = served.and_then(virtual_cluster::served) {
            return (Some(served), revision);
        }
        let registered = self.managed_clusters.get(cluster);
        let revision = revision.max(self.managed_clusters.revision(cluster));
        (registered.map(virtual_cluster::registered), revision)
    }

    /// True if there is no credential for the cluster, and nobody wants one.
    pub(super) fn is_unwanted(&self, cluster: &ClusterName) -> bool {
        self.manual.get(cluster).is_none()
            && self.tokens.get(cluster).is_none()
            && self.accounts.has_kind()
            && self.accounts.get(cluster).is_none()
    }

    /// All clusters that are registered at the hub.
    pub(super) fn registered(&self) -> impl Iterator<Item = &ClusterName> {
        self.managed_clusters.names()
    }

    /// The newest revision of the objects that make the definition of a managed cluster.
    pub(super) fn revision(&self, cluster: &ClusterName) -> u64 {
        if self.manual.get(cluster).is_some() {
            return self.manual.revision(cluster);
        }
        let registered = self.managed_clusters.revision(cluster);
        let account = self.accounts.revision(cluster);
        registered.max(account).max(self.tokens.revision(cluster))
    }

    /// Whether everything has been listed that `virtualclusters` shows.
    pub(super) fn are_all_listed(&self, derives: bool) -> bool {
        self.is_listed(derives) && self.managed_clusters.is_listed()
    }

    /// Whether every source has been listed. Then a cluster that is not in here does not exist.
    pub(super) fn is_listed(&self, derives: bool) -> bool {
        let are_all = self.managed_clusters.is_listed()
            && self.accounts.is_listed()
            && self.tokens.is_listed();
        self.manual.is_listed() && (are_all || !derives)
    }
}
