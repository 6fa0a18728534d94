//! A hub with OCM, a gateway that the harness runs, clusters that have joined, and an operator.

use std::collections::BTreeMap;

use e2e::{
    Cluster, Gateway, GatewayOptions, Operator, ProcessKubelet, World,
    ocm::{Klusterlet, KlusterletOptions, Ocm},
};
use serde_json::Value;

use super::hub::{kubectl, writes_of_operators};

pub(crate) struct Stage {
    pub(crate) operator: Operator,
    pub(crate) gateway: Gateway,
    pub(crate) kubelets: BTreeMap<String, ProcessKubelet>,
    pub(crate) klusterlets: Vec<Klusterlet>,
    _ocm: Ocm,
    pub(crate) world: World,
}

impl Stage {
    pub(crate) async fn set(clusters: &[(&str, KlusterletOptions)], operator: &[&str]) -> Self {
        let world = Self::world(clusters).await;
        Self::on(world, clusters, operator, GatewayOptions::for_operator()).await
    }

    pub(crate) async fn world(clusters: &[(&str, KlusterletOptions)]) -> World {
        let mut builder = World::builder().cluster("hub").audited();
        for (name, _) in clusters {
            builder = builder.cluster(name);
        }
        builder.start().await.unwrap()
    }

    pub(crate) async fn on(
        world: World,
        clusters: &[(&str, KlusterletOptions)],
        operator: &[&str],
        gateway: GatewayOptions,
    ) -> Self {
        let hub = world.cluster("hub");
        let ocm = Ocm::start(hub).await.unwrap();
        Operator::install(hub).await.unwrap();
        let gateway = Gateway::start(hub, gateway).await.unwrap();
        let operator = Operator::start(hub, "operator-1", operator).await.unwrap();
        let (mut kubelets, mut klusterlets) = (BTreeMap::new(), Vec::new());
        for (name, options) in clusters {
            let spoke = world.cluster(name);
            klusterlets.push(ocm.join(spoke, *options).await.unwrap());
            let kubelet = ProcessKubelet::start(spoke).unwrap();
            kubelets.insert((*name).to_owned(), kubelet);
        }
        Self {
            operator,
            gateway,
            kubelets,
            klusterlets,
            _ocm: ocm,
            world,
        }
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) async fn apply(&self, manifest: &str) {
        let apply = self.hub().kubectl(&["apply", "-f", "-"]).stdin(manifest);
        apply.ok().await.unwrap();
    }

    pub(crate) async fn apply_server_side(&self, object: &Value) {
        let apply = self.hub().kubectl(&["apply", "--server-side", "-f", "-"]);
        apply.stdin(object.to_string()).ok().await.unwrap();
    }

    pub(crate) async fn configure(&self, more: &Value) {
        self.apply(&Operator::configuration(&self.gateway, more))
            .await;
    }

    /// The table of the walkthrough: whether each add-on of each cluster is available.
    pub(crate) async fn rows(&self) -> BTreeMap<(String, String), String> {
        let table = self
            .kubectl(&["get", "managedclusteraddon", "-A", "--no-headers"])
            .await;
        let table = table.unwrap();
        let rows = table.lines().filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let key = (words.next()?, words.next()?);
            Some((key, words.next().unwrap_or_default()))
        });
        rows.collect()
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        kubectl(self.hub(), args).await
    }

    pub(crate) fn writes_of_operators(&self) -> Vec<String> {
        writes_of_operators(self.hub())
    }

    /// A GET through the hub and the gateway.
    pub(crate) async fn through(&self, cluster: &str, path: &str) -> Result<String, String> {
        let path =
            format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{cluster}/proxy{path}");
        self.kubectl(&["get", "--raw", &path]).await
    }
}
