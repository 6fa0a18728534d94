//! The links between gateways of one hub: the certificate that they share, and their flags.

use std::path::PathBuf;

use crds::gateway::PEER_NAME;

use super::GatewayError;
use crate::{
    cluster::{Cluster, write_identity},
    pki::{Authority, Leaf},
};

/// The files by which gateways of one hub trust each other.
#[derive(Clone, Debug)]
pub struct PeerFiles(PathBuf);

impl PeerFiles {
    /// Issues a certificate from an authority of its own, in the hub's directory.
    pub fn write(hub: &Cluster) -> Result<Self, GatewayError> {
        let directory = hub.directory();
        let authority = Authority::new("replicas-ca")?;
        let identity = authority.issue(&Leaf::peer(PEER_NAME))?;
        write_identity(directory, "peers", &identity)?;
        std::fs::write(directory.join("peers-ca.crt"), authority.certificate())?;
        Ok(Self(directory.to_owned()))
    }

    /// The flags of a gateway that others reach at `port`, and that looks for others at `ports`,
    /// which may include its own.
    pub fn args(&self, port: u16, ports: &[u16]) -> Vec<String> {
        let file = |name| self.0.join(name).display().to_string();
        let others = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        vec![
            format!("--peer-port={port}"),
            format!("--peer={}", others.collect::<Vec<_>>().join(",")),
            format!("--peer-cert-file={}", file("peers.crt")),
            format!("--peer-private-key-file={}", file("peers.key")),
            format!("--peer-ca-file={}", file("peers-ca.crt")),
        ]
    }
}
