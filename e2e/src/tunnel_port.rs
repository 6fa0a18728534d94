//! The gateway's own port for agents, with mutual TLS: the flags of both ends, and the CA of the
//! agents that may attach.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    gateway::Gateway,
    host::free_port,
    pki::{Authority, Identity, PkiError},
};

/// A tunnel port that is prepared before its gateway is started, and then its agents.
#[derive(Debug)]
pub struct TunnelPort {
    authority: Authority,
    directory: PathBuf,
    host: String,
    port: u16,
}

/// A tunnel port could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TunnelPortError {
    /// Its authority could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A certificate could not be written.
    #[error("cannot write the certificates of a tunnel port")]
    Files(#[from] io::Error),
}

impl TunnelPort {
    /// A port at `host`, which the gateway's certificate must name. Files are written into
    /// `directory`.
    pub fn new(directory: &Path, host: &str) -> Result<Self, TunnelPortError> {
        let this = Self {
            authority: Authority::new("agents-ca")?,
            directory: directory.to_owned(),
            host: host.to_owned(),
            port: free_port(),
        };
        this.write("agents-ca.crt", &this.authority.certificate())?;
        Ok(this)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes the gateway accept certificates of these CAs, PEM, instead of ours.
    pub fn trust(&self, authorities: &str) -> io::Result<()> {
        self.write("agents-ca.crt", authorities).map(drop)
    }

    /// The CA that signs the agents' certificates.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The gateway's flags.
    pub fn of_gateway(&self) -> [String; 2] {
        let authority = self.directory.join("agents-ca.crt");
        [
            format!("--tunnel-port={}", self.port),
            format!("--tunnel-client-ca-file={}", authority.display()),
        ]
    }

    /// The flags of an agent with this certificate. `name` is the name of its files.
    pub fn of_agent(
        &self,
        gateway: &Gateway,
        name: &str,
        identity: &Identity,
    ) -> Result<[String; 4], TunnelPortError> {
        let ca = self.write(&format!("{name}-gateway-ca.crt"), &gateway.ca_pem())?;
        let certificate = self.write(&format!("{name}-agent.crt"), &identity.certificate)?;
        let key = self.write(&format!("{name}-agent.key"), &identity.key)?;
        Ok([
            format!("--tunnel-address={}:{}", self.host, self.port),
            format!("--tunnel-ca-file={}", ca.display()),
            format!("--tunnel-cert-file={}", certificate.display()),
            format!("--tunnel-private-key-file={}", key.display()),
        ])
    }

    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.directory.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}
