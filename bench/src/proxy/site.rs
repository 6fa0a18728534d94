//! What is measured: a hub, a spoke, the gateway and the plain upstream, and every way through
//! them.

use e2e::{Cluster, Credentials, Gateway, GatewayOptions, SpokeOptions, World};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;

use crate::{
    callers::{
        UNHURRIED, all_answered, allow_user, at_the_door, at_the_hub, at_the_spoke, create, token,
    },
    client::Client,
    plain::Plain,
    way::{Path, Role, Upstream, Way},
};

const PATHS: [Path; 3] = [Path::Direct, Path::Door, Path::Hub];

/// Everything that runs. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Site {
    gateway: Gateway,
    plain: Plain,
    /// The token for direct calls to the spoke.
    token: String,
    pub(crate) world: World,
}

impl Site {
    pub(crate) async fn start(gateway_env: Vec<(String, String)>) -> anyhow::Result<Self> {
        let world = World::builder().cluster("hub").cluster("managed1").start();
        let world = world.await?;
        let (hub, spoke) = (world.cluster("hub"), world.cluster("managed1"));
        let plain = Plain::start(&world, "plain").await?;
        let mut options = GatewayOptions::default();
        options.args.extend(UNHURRIED.map(str::to_owned));
        options.env.extend(gateway_env);
        let gateway = Gateway::start(hub, options).await?;
        let options = SpokeOptions::default();
        gateway.register_spoke(spoke, options).await?;
        let nobody = Credentials::Token("plain".to_owned());
        let name = cluster(Upstream::Plain);
        gateway
            .write_spoke(name, &plain.url, &plain.ca_pem, &nobody)
            .await?;
        let token = token(spoke).await?;
        allow_user(hub).await?;
        let map = json!({"metadata": {"name": "bench"}, "data": {"key": "value"}});
        create(&Api::<ConfigMap>::default_namespaced(spoke.client()), map).await?;
        let site = Self {
            gateway,
            plain,
            token,
            world,
        };
        all_answered(&site.ways()?).await?;
        Ok(site)
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster("managed1")
    }

    /// Restarts the gateway.
    pub(crate) async fn restart(&self) -> anyhow::Result<()> {
        self.gateway.restart().await?;
        all_answered(&self.ways()?).await
    }

    /// Every way there is.
    pub(crate) fn ways(&self) -> anyhow::Result<Vec<Way<'_>>> {
        let to = |upstream| PATHS.map(|path| self.way(upstream, path));
        let all = [Upstream::Plain, Upstream::Spoke].into_iter().flat_map(to);
        all.collect()
    }

    /// One of the ways.
    pub(crate) fn way(&self, upstream: Upstream, path: Path) -> anyhow::Result<Way<'_>> {
        let answers = match upstream {
            Upstream::Plain => &self.plain.process,
            Upstream::Spoke => self.spoke().apiserver(),
        };
        let hub = self.world.cluster("hub");
        Ok(Way {
            upstream,
            path,
            client: self.client(upstream, path)?,
            processes: vec![
                (Role::Gateway, self.gateway.process()),
                (Role::Hub, hub.apiserver()),
                (Role::Upstream, answers),
            ],
        })
    }

    fn client(&self, upstream: Upstream, path: Path) -> anyhow::Result<Client> {
        let (hub, gateway) = (self.world.cluster("hub"), &self.gateway);
        let cluster = cluster(upstream);
        match (path, upstream) {
            (Path::Hub, _) => at_the_hub(hub, cluster),
            (Path::Door, _) => at_the_door(&gateway.url(), &gateway.ca_pem(), hub, cluster),
            (_, Upstream::Plain) => Client::new(&self.plain.url, &self.plain.ca_pem, None),
            (_, Upstream::Spoke) => at_the_spoke(self.spoke(), &self.token),
        }
    }
}

/// An upstream's name as a managed cluster.
fn cluster(upstream: Upstream) -> &'static str {
    match upstream {
        Upstream::Plain => "plain",
        Upstream::Spoke => "managed1",
    }
}
