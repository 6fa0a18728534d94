//! Managed clusters that exist only as objects of the hub: they are accepted but never join.

use crds::{
    addon::CLUSTER_LABEL,
    cluster::{ManagedCluster, ManagedClusterSpec},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::PostParams, core::ObjectMeta};

/// Accepts a cluster that does not run, with the namespace that registration would create.
pub async fn accept(hub: &Client, name: &str) -> kube::Result<()> {
    make_namespace(hub, name).await?;
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

/// Creates the namespace of a cluster with its label, if it does not exist.
async fn make_namespace(hub: &Client, name: &str) -> kube::Result<()> {
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([(CLUSTER_LABEL.to_owned(), name.to_owned())].into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let namespaces = Api::<Namespace>::all(hub.clone());
    match namespaces.create(&PostParams::default(), &namespace).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        created => created.map(drop),
    }
}
