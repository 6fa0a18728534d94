//! The flags that say how the replicas of a gateway find and trust each other.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use crate::service_name::ServiceName;

/// The settings of the files are present whenever the port is.
const WITH_A_PORT: &str = "clap requires it with --peer-port";

/// How replicas find and trust each other.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// The address where the other replicas connect to this one.
    pub address: SocketAddr,
    /// The certificate chain that every replica presents to the others.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
    /// The CA that must have signed a replica's certificate.
    pub authority: PathBuf,
    /// Where the other replicas are.
    pub others: Others,
}

/// Where the other replicas are.
#[derive(Clone, Debug)]
pub enum Others {
    /// The endpoints of this headless Service.
    Service(ServiceName),
    /// These addresses, each a host and a port.
    Addresses(Vec<String>),
}

#[derive(Args, Clone, Debug)]
pub(super) struct PeerArgs {
    /// Port where the other replicas of this gateway connect with mutual TLS. A replica without a
    /// tunnel of a cluster sends that cluster's requests through a replica that has one.
    #[arg(
        long,
        env = "GATEWAY_PEER_PORT",
        value_name = "PORT",
        requires_all = ["peer_cert_file", "peer_private_key_file", "peer_ca_file", "peers"]
    )]
    peer_port: Option<u16>,
    /// PEM file with the certificate chain that the replicas present to each other. Its DNS name
    /// must be gateway-server-peer. It is reloaded when it changes.
    #[arg(
        long,
        env = "GATEWAY_PEER_CERT_FILE",
        value_name = "FILE",
        requires = "peer_port"
    )]
    peer_cert_file: Option<PathBuf>,
    /// PEM file with the key of that certificate. It is reloaded when it changes.
    #[arg(
        long,
        env = "GATEWAY_PEER_PRIVATE_KEY_FILE",
        value_name = "FILE",
        requires = "peer_port"
    )]
    peer_private_key_file: Option<PathBuf>,
    /// PEM file with the CA of the replicas' certificates. It is reloaded when it changes.
    #[arg(
        long,
        env = "GATEWAY_PEER_CA_FILE",
        value_name = "FILE",
        requires = "peer_port"
    )]
    peer_ca_file: Option<PathBuf>,
    /// Headless Service whose endpoints are the replicas, as NAMESPACE/NAME.
    #[arg(
        long,
        env = "GATEWAY_PEER_SERVICE",
        value_name = "SERVICE",
        group = "peers",
        requires = "peer_port"
    )]
    peer_service: Option<ServiceName>,
    /// Address of another replica, as HOST:PORT, if no Service lists the replicas. Can be repeated.
    #[arg(
        long,
        env = "GATEWAY_PEER",
        value_name = "ADDRESS",
        value_delimiter = ',',
        group = "peers",
        requires = "peer_port"
    )]
    peer: Vec<String>,
}

impl PeerArgs {
    /// `None` if there are no other replicas.
    pub(super) fn settings(self, bind_address: IpAddr) -> Option<PeerSettings> {
        let Self {
            peer_port,
            peer_cert_file,
            peer_private_key_file,
            peer_ca_file,
            peer_service,
            peer,
        } = self;
        Some(PeerSettings {
            address: SocketAddr::new(bind_address, peer_port?),
            certificate: peer_cert_file.expect(WITH_A_PORT),
            private_key: peer_private_key_file.expect(WITH_A_PORT),
            authority: peer_ca_file.expect(WITH_A_PORT),
            others: match peer_service {
                Some(service) => Others::Service(service),
                None => Others::Addresses(peer),
            },
        })
    }
}
