//! Finds out which version of the add-on API the hub serves. It asks once, because a hub that is
//! upgraded meanwhile goes on serving the older version.

use crds::addon::{self, Version};
use kube::{Client, core::discovery::verbs, discovery::Discovery};

/// Why the version of the add-on API is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error(
        "the hub does not serve the API {}; install Open Cluster Management on the hub first",
        addon::GROUP
    )]
    Absent,
    #[error("cannot list the APIs of the hub: {0}")]
    Unanswered(#[from] kube::Error),
}

/// The newest version that the hub serves.
pub(crate) async fn addon_version(client: &Client) -> Result<Version, DiscoveryError> {
    let groups = Discovery::new(client.clone())
        .filter(&[addon::GROUP])
        .run()
        .await?;
    let group = groups.get(addon::GROUP).ok_or(DiscoveryError::Absent)?;
    let serves = |version: &str| {
        let resources = group.versioned_resources(version);
        resources.iter().any(|(resource, capabilities)| {
            resource.kind == "ManagedClusterAddOn" && capabilities.supports_operation(verbs::WATCH)
        })
    };
    [Version::V1beta1, Version::V1alpha1]
        .into_iter()
        .find(|version| serves(version.as_str()))
        .ok_or(DiscoveryError::Absent)
}
