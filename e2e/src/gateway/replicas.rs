//! Several gateways behind one Service of the hub, linked to each other.

use std::process::ExitStatus;

use super::{Balancer, Gateway, GatewayError, GatewayOptions, PeerFiles, registration};
use crate::{cluster::Cluster, host};

/// The largest number of gateways that can be linked to each other, because each is told at its
/// start where all others may be.
const MOST: usize = 3;

/// Gateways behind a [`Balancer`], registered at the hub as one.
#[derive(Debug)]
pub struct Replicas {
    hub: Cluster,
    options: GatewayOptions,
    peers: PeerFiles,
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
        let mut replicas = Self {
            hub: hub.clone(),
            options: options.clone(),
            peers: PeerFiles::write(hub)?,
            peer_ports: std::array::from_fn(|_| host::free_port()),
            gateways: Vec::new(),
            balancer: Balancer::start(Vec::new())?,
        };
        for index in 0..count {
            let gateway = replicas.one(index).await?;
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
        let gateway = self.one(index).await?;
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

    async fn one(&self, index: usize) -> Result<Gateway, GatewayError> {
        let mut options = self.options.clone();
        let port = self.peer_ports[index];
        options.args.extend(self.peers.args(port, &self.peer_ports));
        options.registered_by_operator = true;
        Gateway::unregistered(&self.hub, options).await
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
