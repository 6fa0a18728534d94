//! Several gateways behind one Service of the hub, linked to each other.

use std::{path::Path, process::ExitStatus};

use crds::gateway::PEER_NAME;

use super::{Balancer, Gateway, GatewayError, GatewayOptions, registration};
use crate::{
    cluster::{Cluster, write_identity},
    host,
    pki::{Authority, Leaf},
};

/// The largest number of gateways that can be linked to each other, because each is told at its
/// start where all others may be.
const MOST: usize = 3;

/// Gateways behind a [`Balancer`], registered at the hub as one.
#[derive(Debug)]
pub struct Replicas {
    hub: Cluster,
    options: GatewayOptions,
    /// The ports of the links, including those of gateways that are added later.
    peer_ports: [u16; MOST],
    gateways: Vec<Gateway>,
    balancer: Balancer,
}

impl Replicas {
    /// Starts `count` gateways, each told of the others. Unless an operator registers them, waits
    /// until the hub's API server calls them available.
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
        let mut replicas = Self {
            hub: hub.clone(),
            options: options.clone(),
            peer_ports: std::array::from_fn(|_| host::free_port()),
            gateways: Vec::new(),
            balancer: Balancer::start(Vec::new())?,
        };
        for index in 0..count {
            let gateway = replicas.one(index, count).await?;
            replicas.gateways.push(gateway);
        }
        replicas.lead_to_all();
        replicas.register().await?;
        Ok(replicas)
    }

    /// All of the gateways.
    pub fn each(&self) -> &[Gateway] {
        &self.gateways
    }

    /// The port of the Service.
    pub fn port(&self) -> u16 {
        self.balancer.port()
    }

    /// The CAs of their serving certificates, PEM.
    pub fn ca_pem(&self) -> String {
        self.gateways.iter().map(Gateway::ca_pem).collect()
    }

    /// Routes new connections only to these gateways from now on, as if no other were ready.
    pub fn lead_to(&self, chosen: &[usize]) {
        let ports = chosen.iter().map(|index| self.gateways[*index].port());
        self.balancer.lead_to(ports.collect());
    }

    /// Routes new connections to all gateways from now on.
    pub fn lead_to_all(&self) {
        let ports = self.gateways.iter().map(Gateway::port);
        self.balancer.lead_to(ports.collect());
    }

    /// Starts one more gateway, and routes connections to it, too.
    ///
    /// # Panics
    /// If there are three already.
    pub async fn add(&mut self) -> Result<(), GatewayError> {
        let index = self.gateways.len();
        let gateway = self.one(index, index + 1).await?;
        self.gateways.push(gateway);
        // The hub must know its CA before a connection is routed to it.
        self.register().await?;
        self.lead_to_all();
        Ok(())
    }

    /// Ends the last gateway, as scaling down would, and returns how it ended.
    ///
    /// # Panics
    /// If there is none.
    pub async fn remove_last(&mut self) -> ExitStatus {
        let last = self.gateways.pop().expect("there is one");
        self.lead_to_all();
        last.stop().await
    }

    async fn one(&self, index: usize, count: usize) -> Result<Gateway, GatewayError> {
        let mut options = self.options.clone();
        options.args.push(format!("--replicas={count}"));
        let port = self.peer_ports[index];
        let peers = peer_args(self.hub.directory(), port, &self.peer_ports);
        options.args.extend(peers);
        options.registered_by_operator = true;
        Gateway::start(&self.hub, options).await
    }

    async fn register(&self) -> Result<(), GatewayError> {
        let port = self.balancer.port();
        if self.options.registered_by_operator {
            return registration::serve(&self.hub, port).await;
        }
        let first = self.gateways[0].process();
        registration::register(&self.hub, port, &self.ca_pem(), first).await
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
