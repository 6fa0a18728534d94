//! What is measured: a hub, a gateway with the limits of its defaults, but not its rates, and one without limits, and two stubs of
//! managed clusters.

use std::time::Duration;

use e2e::{Credentials, Gateway, GatewayOptions, World, eventually};

use super::Case;
use crate::{
    callers::{NOISY, UNHURRIED, allow_user, at_the_door, at_the_door_as, once},
    client::Client,
    plain::{self, Plain},
};

const CLUSTERS: [&str; 2] = ["first", "second"];
/// Flags that put every limit out of reach.
const NO_LIMITS: [&str; 6] = [
    "--max-requests-per-user=100000",
    "--max-short-requests-per-user=100000",
    "--max-short-requests=100000",
    "--max-short-requests-total=100000",
    "--requests-per-second-per-user=0",
    "--requests-per-second=0",
];
const SERVED_WITHIN: Duration = Duration::from_secs(20);

/// Everything that runs. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Site {
    gateway: Gateway,
    without_limits: Gateway,
    _clusters: Vec<Plain>,
    pub(super) world: World,
}

impl Site {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let world = World::builder().cluster("hub").start().await?;
        let hub = world.cluster("hub");
        let options = |args: &[&str]| GatewayOptions {
            args: args.iter().map(|&it| it.to_owned()).collect(),
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(hub, options(&UNHURRIED)).await?;
        let without_limits = Gateway::unregistered(hub, options(&NO_LIMITS)).await?;
        let mut clusters = Vec::new();
        for name in CLUSTERS {
            let plain = Plain::start(&world, name).await?;
            let nobody = Credentials::Token("plain".to_owned());
            let written = gateway.write_spoke(name, &plain.url, &plain.ca_pem, &nobody);
            written.await?;
            clusters.push(plain);
        }
        allow_user(hub).await?;
        let site = Self {
            gateway,
            without_limits,
            _clusters: clusters,
            world,
        };
        site.answers().await?;
        Ok(site)
    }

    /// Waits until both users get answers from everywhere.
    async fn answers(&self) -> anyhow::Result<()> {
        for case in Case::ALL {
            for client in [self.quiet(case)?, self.noisy(case)?] {
                let request = client.get(&format!("{}0", plain::LIMITED))?;
                eventually(SERVED_WITHIN, case.name(), || once(&client, &request)).await?;
            }
        }
        Ok(())
    }

    /// The ordinary user, who sends GETs.
    pub(super) fn quiet(&self, case: Case) -> anyhow::Result<Client> {
        let cluster = CLUSTERS[usize::from(!case.is_same)];
        let (gateway, hub) = (self.gateway(case), self.world.cluster("hub"));
        at_the_door(&gateway.url(), &gateway.ca_pem(), hub, cluster)
    }

    /// The noisy user, who sends lists to the first cluster.
    pub(super) fn noisy(&self, case: Case) -> anyhow::Result<Client> {
        let (gateway, hub) = (self.gateway(case), self.world.cluster("hub"));
        at_the_door_as(NOISY, &gateway.url(), &gateway.ca_pem(), hub, CLUSTERS[0])
    }

    fn gateway(&self, case: Case) -> &Gateway {
        if case.has_limits {
            &self.gateway
        } else {
            &self.without_limits
        }
    }
}
