//! The flags that say for which add-ons the agent renews Leases.

use clap::Args;

use crate::leases::{Addon, AddonError, LeaseSettings};

/// Leases that tell OCM which add-ons work.
#[derive(Args, Clone, Debug)]
pub(super) struct LeaseArgs {
    /// Add-on whose Lease the agent renews, and what must work for that: tunnel, tokens, or both, e.g.
    /// cluster-gateway=tunnel+tokens; or hub, if it is enough that the hub answers. The Lease is in
    /// --lease-namespace, or in NAMESPACE if it is written as NAMESPACE/ADDON=tunnel. Can be repeated.
    #[arg(
        long,
        env = "AGENT_LEASE",
        value_name = "[NAMESPACE/]ADDON=CAPABILITY",
        value_delimiter = ',',
        requires = "hub_kubeconfig"
    )]
    lease: Vec<String>,
    /// Namespace on this cluster where the add-ons are installed and OCM looks for their Leases.
    #[arg(
        long,
        env = "AGENT_LEASE_NAMESPACE",
        value_name = "NAME",
        default_value = "open-cluster-management-agent-addon"
    )]
    lease_namespace: String,
    /// Identity of this process in the Leases: the name of its Pod.
    #[arg(
        long,
        env = "POD_NAME",
        value_name = "NAME",
        default_value = "spokeway-agent"
    )]
    lease_holder: String,
}

impl LeaseArgs {
    /// Returns the leases to renew, and adds what is wrong to `faults`.
    pub(super) fn settings(self, faults: &mut Vec<String>) -> LeaseSettings {
        let Self {
            lease,
            lease_namespace,
            lease_holder,
        } = self;
        let mut addons = Vec::new();
        for text in lease {
            match text.parse::<Addon>() {
                Ok(addon) => addons.push(addon),
                Err(fault) => faults.push(fault_of(&text, &fault)),
            }
        }
        LeaseSettings {
            namespace: lease_namespace,
            holder: lease_holder,
            addons,
        }
    }
}

fn fault_of(text: &str, fault: &AddonError) -> String {
    format!("--lease {text}: {fault}")
}
