//! Several gateways that one Service of the hub leads to.

use super::{Balancer, Gateway, GatewayError, GatewayOptions, registration};
use crate::cluster::Cluster;

/// Gateways behind a [`Balancer`], registered at the hub as one.
#[derive(Debug)]
pub struct Replicas {
    gateways: Vec<Gateway>,
    _balancer: Balancer,
}

impl Replicas {
    /// Starts `count` gateways, each told of the others, and waits until the hub's API server calls
    /// them available.
    pub async fn start(
        hub: &Cluster,
        options: &GatewayOptions,
        count: usize,
    ) -> Result<Self, GatewayError> {
        let mut options = options.clone();
        options.args.push(format!("--replicas={count}"));
        options.registered_by_operator = true;
        let mut gateways = Vec::new();
        for _ in 0..count {
            gateways.push(Gateway::start(hub, options.clone()).await?);
        }
        let balancer = Balancer::start(gateways.iter().map(Gateway::port).collect()).await?;
        let authorities: String = gateways.iter().map(Gateway::ca_pem).collect();
        let first = gateways[0].process();
        registration::register(hub, balancer.port(), &authorities, first).await?;
        Ok(Self {
            gateways,
            _balancer: balancer,
        })
    }

    /// Each of them.
    pub fn each(&self) -> &[Gateway] {
        &self.gateways
    }
}
