//! Several gateways that one Service of the hub leads to, linked to each other.

use std::path::Path;

use crds::gateway::PEER_NAME;

use super::{Balancer, Gateway, GatewayError, GatewayOptions, registration};
use crate::{
    cluster::{Cluster, write_identity},
    host,
    pki::{Authority, Leaf},
};

/// Gateways behind a [`Balancer`], registered at the hub as one.
#[derive(Debug)]
pub struct Replicas {
    gateways: Vec<Gateway>,
    balancer: Balancer,
}

impl Replicas {
    /// Starts `count` gateways, each told of the others, and waits until the hub's API server calls
    /// them available.
    pub async fn start(
        hub: &Cluster,
        options: &GatewayOptions,
        count: usize,
    ) -> Result<Self, GatewayError> {
        let directory = hub.directory();
        let authority = Authority::new("replicas-ca")?;
        write_identity(
            directory,
            "peers",
            &authority.issue(&Leaf::peer(PEER_NAME))?,
        )?;
        std::fs::write(directory.join("peers-ca.crt"), authority.certificate())?;
        let ports: Vec<_> = (0..count).map(|_| host::free_port()).collect();
        let mut gateways = Vec::new();
        for port in &ports {
            let mut options = options.clone();
            options.args.push(format!("--replicas={count}"));
            options.args.extend(peer_args(directory, *port, &ports));
            options.registered_by_operator = true;
            gateways.push(Gateway::start(hub, options).await?);
        }
        let balancer = Balancer::start(gateways.iter().map(Gateway::port).collect()).await?;
        let authorities: String = gateways.iter().map(Gateway::ca_pem).collect();
        let first = gateways[0].process();
        registration::register(hub, balancer.port(), &authorities, first).await?;
        Ok(Self { gateways, balancer })
    }

    /// Each of them.
    pub fn each(&self) -> &[Gateway] {
        &self.gateways
    }

    /// New connections lead to these of them from now on, as if no other were ready.
    pub fn lead_to(&self, chosen: &[usize]) {
        let ports = chosen.iter().map(|index| self.gateways[*index].port());
        self.balancer.lead_to(ports.collect());
    }
}

fn peer_args(directory: &Path, port: u16, all: &[u16]) -> Vec<String> {
    let file = |name| directory.join(name).display().to_string();
    let all: Vec<_> = all.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    vec![
        format!("--peer-port={port}"),
        format!("--peer={}", all.join(",")),
        format!("--peer-cert-file={}", file("peers.crt")),
        format!("--peer-private-key-file={}", file("peers.key")),
        format!("--peer-ca-file={}", file("peers-ca.crt")),
    ]
}
