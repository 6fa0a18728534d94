//! One selected cluster with everything that its plan reads.

use crds::{
    addon::{AddOnDeploymentConfigSpec, ConfigSpecHash, ManagedClusterAddOnStatus},
    cluster::ManagedCluster,
    gateway::{CredentialsType, EgressType, GatewayConfigurationSpec},
};
use jiff::Timestamp;
use kube::core::DynamicObject;

use super::{deployment_config, placement};
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    names::TUNNEL_AUTHORITY,
    object::{is_ours, part},
    observed::Observed,
    plan::{
        entrance::Entrance,
        pki::{Authorities, Pair},
        row_key,
    },
};

/// A selected cluster.
pub(super) struct SelectedCluster<'a> {
    pub(super) observed: &'a Observed,
    pub(super) name: &'a str,
    pub(super) spec: &'a GatewayConfigurationSpec,
    /// Whether the operator's agent keeps a tunnel. It can run beside an agent of somebody else.
    pub(super) tunnel: bool,
    /// Who manages tokens. Two agents must not manage them at once.
    pub(super) tokens: Capability,
    /// Where the agent attaches.
    pub(super) entrance: Entrance,
    /// The authority that signs its certificate for the gateway's own entrance. `None` without such
    /// an entrance.
    pub(super) signer: Option<Pair>,
}

/// Who provides a capability on a cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Capability {
    /// The operator's agent.
    Ours,
    /// The agent of somebody else's add-on.
    Foreign,
    /// It is turned off. The operator's agent provides it until it has revoked the gateway's token.
    Ending,
    /// Nobody, because it is turned off.
    Off,
}

impl<'a> SelectedCluster<'a> {
    /// `None` if the cluster is not selected.
    pub(super) fn of(observed: &'a Observed, cluster: &'a str, now: Timestamp) -> Option<Self> {
        if !placement::is_selected(observed, cluster, now)
            || is_foreign(observed, cluster, Addon::Gateway)
        {
            return None;
        }
        let spec = &observed.configuration()?.spec;
        let is_foreign = is_row_foreign(observed, cluster, Addon::Accounts);
        let tokens = match spec.credentials.kind {
            CredentialsType::Manual if !is_foreign && has_account(observed, cluster) => {
                Capability::Ending
            }
            CredentialsType::Manual => Capability::Off,
            CredentialsType::ManagedServiceAccount if is_foreign => Capability::Foreign,
            CredentialsType::ManagedServiceAccount => Capability::Ours,
        };
        let tunnel = spec.egress.kind != EgressType::Direct;
        let entrance = if tunnel {
            Entrance::of(observed, spec, now)
        } else {
            Entrance::Hub
        };
        let signer = (entrance != Entrance::Hub).then(|| {
            let key = ObjectKey::new(Kind::Secret, &spec.server.namespace, TUNNEL_AUTHORITY);
            let authorities = Authorities::read(observed.object(&key)?, now)?;
            Some(authorities.signer().clone())
        });
        Some(Self {
            observed,
            name: cluster,
            spec,
            tunnel,
            tokens,
            entrance,
            signer: signer.flatten(),
        })
    }

    /// True if the operator has this add-on on the cluster.
    pub(super) fn has_row(&self, addon: Addon) -> bool {
        let is_wanted = match addon {
            Addon::Gateway => true,
            Addon::Proxy => self.tunnel,
            Addon::Accounts => self.handles_tokens(),
        };
        is_wanted && !is_foreign(self.observed, self.name, addon)
    }

    /// True if an add-on of somebody else manages accounts on the cluster.
    pub(super) fn has_foreign_accounts(&self) -> bool {
        is_row_foreign(self.observed, self.name, Addon::Accounts)
    }

    /// True if the operator's agent issues and revokes tokens.
    pub(super) fn handles_tokens(&self) -> bool {
        matches!(self.tokens, Capability::Ours | Capability::Ending)
    }

    /// The `ManagedCluster` object.
    pub(super) fn managed_cluster(&self) -> Option<ManagedCluster> {
        let key = ObjectKey::global(Kind::ManagedCluster, self.name);
        self.observed.object(&key)?.clone().try_parse().ok()
    }

    /// The `ManagedClusterAddOn` that carries the agent, and its status.
    pub(super) fn row(&self) -> Option<(&'a DynamicObject, ManagedClusterAddOnStatus)> {
        let object = self.observed.object(&row_key(self.name, Addon::Gateway))?;
        Some((object, part(object, "status").unwrap_or_default()))
    }

    pub(super) fn is_row_deleting(&self) -> bool {
        self.row()
            .is_some_and(|(row, _)| row.metadata.deletion_timestamp.is_some())
    }

    /// The agent's deployment config, and the hash of its observed spec.
    pub(super) fn deployment_config(&self) -> Option<(ConfigSpecHash, AddOnDeploymentConfigSpec)> {
        let (row, status) = self.row()?;
        deployment_config::of(self.observed, row, &status)
    }

    /// The namespace of the agent on the cluster.
    pub(super) fn install_namespace(&self) -> String {
        deployment_config::install_namespace(self.observed, self.name)
    }

    /// The namespace of the accounts on the cluster.
    pub(super) fn token_namespace(&self) -> String {
        deployment_config::token_namespace(self.observed, self.name)
    }

    /// The namespace of an add-on's lease.
    pub(super) fn namespace_of(&self, addon: Addon) -> String {
        if addon == Addon::Accounts {
            self.token_namespace()
        } else {
            self.install_namespace()
        }
    }
}

/// True while the hub has an account of the operator's on the cluster, even one that is being
/// deleted: only an agent that handles tokens can revoke its token.
fn has_account(observed: &Observed, cluster: &str) -> bool {
    let mut accounts = observed.within(Kind::ManagedServiceAccount, cluster);
    accounts.any(|(_, account)| is_ours(account))
}

/// True if the add-on belongs to somebody else, on this cluster or on the hub as a whole.
fn is_foreign(observed: &Observed, cluster: &str, addon: Addon) -> bool {
    let key = ObjectKey::global(Kind::ClusterManagementAddOn, addon.name());
    let manager = observed.object(&key);
    manager.is_some_and(|object| !is_ours(object)) || is_row_foreign(observed, cluster, addon)
}

/// True if the add-on belongs to somebody else on this cluster. A `ManagedClusterAddOn` that a
/// person created for one of the operator's add-ons is a request for it, and is adopted.
pub(crate) fn is_row_foreign(observed: &Observed, cluster: &str, addon: Addon) -> bool {
    let manager = ObjectKey::global(Kind::ClusterManagementAddOn, addon.name());
    let row = observed.object(&row_key(cluster, addon));
    row.is_some_and(|object| !is_ours(object)) && !observed.object(&manager).is_some_and(is_ours)
}
