//! Managed clusters that exist only as objects of the hub: they are accepted but never join.

use crds::cluster::{ManagedCluster, ManagedClusterSpec};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::PostParams};

use crate::cluster::create_if_absent;

/// Accepts a cluster that does not run, with the namespace that registration would create.
pub async fn accept(hub: &Client, name: &str) -> kube::Result<()> {
    create_if_absent(&Api::<Namespace>::all(hub.clone()), name).await?;
    let spec = ManagedClusterSpec {
        hub_accepts_client: true,
        lease_duration_seconds: 60,
        ..ManagedClusterSpec::default()
    };
    let clusters = Api::<ManagedCluster>::all(hub.clone());
    let cluster = ManagedCluster::new(name, spec);
    clusters.create(&PostParams::default(), &cluster).await?;
    Ok(())
}
