//! What is measured: a hub, a spoke, the gateway and the plain upstream, and every way through them.

use std::{
    fmt::{self, Debug},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use e2e::{
    Cluster, Credentials, Gateway, GatewayOptions, Process, SpokeOptions, World, eventually,
};
use http::{HeaderName, header::AUTHORIZATION};
use http_body_util::BodyExt as _;
use k8s_openapi::api::{
    core::v1::ConfigMap,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{Api, api::PostParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    client::{Client, Get},
    plain::{self, Plain},
    usage::{self, Cpu},
};

const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
/// The caller at the gateway's own door: an ordinary user, so that authorization is part of the
/// path.
const USER: &str = "bench";
const SERVED_WITHIN: Duration = Duration::from_secs(10);
const TOKEN_TTL: Duration = Duration::from_hours(1);

/// Who answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Upstream {
    Plain,
    Spoke,
}

/// How a request gets there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Path {
    /// Straight.
    Direct,
    /// Through the gateway, past the hub.
    Door,
    /// Through the hub's API server and the gateway.
    Hub,
}

impl Upstream {
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Spoke];

    /// Its name as a managed cluster.
    fn cluster(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Spoke => "managed1",
        }
    }

    /// What a warm GET asks it for.
    pub(crate) fn small(self) -> &'static str {
        match self {
            Self::Plain => plain::SMALL,
            Self::Spoke => "/api/v1/namespaces/default/configmaps/bench",
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Spoke => "spoke",
        })
    }
}

impl Path {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Door, Self::Hub];
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Door => "door",
            Self::Hub => "hub",
        })
    }
}

/// Everything that runs; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    plain: Plain,
    /// The token by which the spoke is called directly, of the account that the gateway has there.
    token: String,
    pub(crate) world: World,
}

impl Site {
    pub(crate) async fn start(gateway_env: Vec<(String, String)>) -> anyhow::Result<Self> {
        let world = World::builder().cluster("hub").cluster("managed1").start();
        let world = world.await?;
        let (hub, spoke) = (world.cluster("hub"), world.cluster("managed1"));
        let plain = Plain::start(&world).await?;
        let mut options = GatewayOptions::default();
        options.env.extend(gateway_env);
        let gateway = Gateway::start(hub, options).await?;
        let options = SpokeOptions::default();
        gateway.register_spoke(spoke, options).await?;
        let nobody = Credentials::Token("plain".to_owned());
        let name = Upstream::Plain.cluster();
        gateway
            .write_spoke(name, &plain.url, &plain.ca_pem, &nobody)
            .await?;
        let account = ("spokeway-system", "gateway");
        let token = spoke
            .service_account_token(account.0, account.1, TOKEN_TTL)
            .await?;
        allow_user(hub).await?;
        let map = json!({"metadata": {"name": "bench"}, "data": {"key": "value"}});
        create(&Api::<ConfigMap>::default_namespaced(spoke.client()), map).await?;
        let site = Self {
            gateway,
            plain,
            token,
            world,
        };
        site.serves_everything().await?;
        Ok(site)
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster("managed1")
    }

    /// Who calls, and where.
    pub(crate) fn client(&self, upstream: Upstream, path: Path) -> anyhow::Result<Client> {
        let base = format!("{GATEWAYS}/{}/proxy", upstream.cluster());
        let (hub, gateway) = (self.hub(), &self.gateway);
        match (path, upstream) {
            (Path::Direct, Upstream::Plain) => {
                Client::new(&self.plain.url, &self.plain.ca_pem, None)
            }
            (Path::Direct, Upstream::Spoke) => {
                let spoke = self.spoke();
                Client::new(spoke.url(), &spoke.ca_pem(), None)?
                    .header(AUTHORIZATION, &format!("Bearer {}", self.token))
            }
            (Path::Door, _) => {
                let front_proxy = Some(hub.front_proxy_client());
                Client::new(&gateway.url(), &gateway.ca_pem(), front_proxy)?
                    .below(base)
                    .header(HeaderName::from_static("x-remote-user"), USER)?
                    .header(
                        HeaderName::from_static("x-remote-group"),
                        "system:authenticated",
                    )
            }
            (Path::Hub, _) => {
                let Credentials::Certificate(admin) = hub.admin() else {
                    anyhow::bail!("the hub's admin has no certificate");
                };
                Ok(Client::new(hub.url(), &hub.ca_pem(), Some(admin))?.below(base))
            }
        }
    }

    /// CPU time used up to now.
    pub(crate) fn cpu(&self, upstream: Upstream) -> anyhow::Result<Cpu> {
        Ok(Cpu {
            gateway: usage::cpu_seconds(self.gateway.process())?,
            hub: usage::cpu_seconds(self.hub().apiserver())?,
            upstream: usage::cpu_seconds(self.process(upstream))?,
        })
    }

    fn process(&self, upstream: Upstream) -> &Process {
        match upstream {
            Upstream::Plain => &self.plain.process,
            Upstream::Spoke => self.spoke().apiserver(),
        }
    }

    /// Waits until every upstream answers on every path: the gateway learns of a spoke, and the hub
    /// of a new role, a moment after they are written.
    pub(crate) async fn serves_everything(&self) -> anyhow::Result<()> {
        for upstream in Upstream::ALL {
            for path in Path::ALL {
                let client = self.client(upstream, path)?;
                let request = client.get(upstream.small())?;
                let what = format!("{upstream} through {path}");
                eventually(SERVED_WITHIN, &what, || once(&client, &request)).await?;
            }
        }
        Ok(())
    }
}

async fn once(client: &Client, request: &Get) -> anyhow::Result<Bytes> {
    let response = client.connect().await?.sender().send(request).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

async fn allow_user(hub: &Cluster) -> anyhow::Result<()> {
    let role = json!({
        "metadata": {"name": USER},
        "rules": [{
            "apiGroups": ["cluster.core.oam.dev"],
            "resources": ["clustergateways/proxy"],
            "verbs": ["*"],
        }],
    });
    create(&Api::<ClusterRole>::all(hub.client()), role).await?;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": USER},
        "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
    });
    create(&Api::<ClusterRoleBinding>::all(hub.client()), binding).await
}

pub(crate) async fn create<K>(api: &Api<K>, object: Value) -> anyhow::Result<()>
where
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    let object = serde_json::from_value(object)?;
    let created = api.create(&PostParams::default(), &object).await;
    created.map(drop).context("a cluster refused an object")
}
