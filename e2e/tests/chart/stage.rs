//! A hub, and helm for it.

use std::time::Duration;

use e2e::{Cluster, Helm, World, helm::CHART};
use serde_json::Value;

pub(crate) const RELEASE: &str = "spokeway";

/// Much longer than helm takes on a busy machine.
const HELM_WITHIN: Duration = Duration::from_mins(2);

pub(crate) struct Stage {
    helm: Helm,
    world: World,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let helm = Helm::ensure().unwrap();
        let world = World::builder().cluster("hub").start().await.unwrap();
        Self { helm, world }
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        let done = self.hub().kubectl(args).ok().await;
        done.map_err(|error| error.to_string())
    }

    /// `helm COMMAND spokeway CHART --namespace NAMESPACE MORE`.
    pub(crate) async fn helm(
        &self,
        command: &str,
        namespace: &str,
        more: &[&str],
    ) -> Result<String, String> {
        let args = [command, RELEASE, CHART, "--namespace", namespace];
        self.run(&[&args, more].concat()).await
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Result<String, String> {
        let helm = self.helm.on(self.hub(), args).timeout(HELM_WITHIN);
        let done = helm.ok().await;
        done.map_err(|error| error.to_string())
    }

    /// The `GatewayConfiguration` on the hub.
    pub(crate) async fn configuration(&self) -> Value {
        let get = ["get", "gatewayconfiguration", "default", "-o", "json"];
        serde_json::from_str(&self.kubectl(&get).await.unwrap()).unwrap()
    }
}
