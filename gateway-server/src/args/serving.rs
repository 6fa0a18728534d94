//! The flags that say where and with which certificates the gateway serves.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{CertificateFiles, TunnelEntrance};

#[derive(Args, Clone, Debug)]
pub(super) struct ServingArgs {
    /// IP address that the API is served on. `::` stands for all addresses, of IPv4 too.
    #[arg(
        long,
        env = "GATEWAY_BIND_ADDRESS",
        value_name = "IP",
        default_value = "::"
    )]
    pub(super) bind_address: IpAddr,
    /// Port that the API is served on.
    #[arg(
        long,
        env = "GATEWAY_SECURE_PORT",
        value_name = "PORT",
        default_value_t = 9443
    )]
    secure_port: u16,
    /// PEM file with the serving certificate chain. It is reloaded when it changes. If it is not set,
    /// the gateway signs a certificate itself, which the hub's API server can only accept unverified.
    #[arg(
        long,
        env = "GATEWAY_TLS_CERT_FILE",
        value_name = "FILE",
        requires = "tls_private_key_file"
    )]
    tls_cert_file: Option<PathBuf>,
    /// PEM file with the key of the serving certificate. It is reloaded when it changes.
    #[arg(
        long,
        env = "GATEWAY_TLS_PRIVATE_KEY_FILE",
        value_name = "FILE",
        requires = "tls_cert_file"
    )]
    tls_private_key_file: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(super) struct TunnelArgs {
    /// Port where agents can attach directly with mutual TLS, in addition to the hub's API server.
    #[arg(
        long,
        env = "GATEWAY_TUNNEL_PORT",
        value_name = "PORT",
        requires_all = ["tls_cert_file", "tunnel_client_ca_file"]
    )]
    tunnel_port: Option<u16>,
    /// PEM file with the CA of the agents' certificates at the tunnel port. It is reloaded when it
    /// changes.
    #[arg(
        long,
        env = "GATEWAY_TUNNEL_CLIENT_CA_FILE",
        value_name = "FILE",
        requires = "tunnel_port"
    )]
    tunnel_client_ca_file: Option<PathBuf>,
}

impl ServingArgs {
    /// Where the API is served.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind_address, self.secure_port)
    }

    /// The files that are named, or those that the Go program has in `directory`.
    pub(super) fn certificate(self, directory: Option<&Path>) -> Option<CertificateFiles> {
        let Self {
            bind_address: _,
            secure_port: _,
            tls_cert_file,
            tls_private_key_file,
        } = self;
        let in_directory = |name| directory.map(|it| it.join(name));
        Some(CertificateFiles {
            certificate: tls_cert_file.or_else(|| in_directory("apiserver.crt"))?,
            private_key: tls_private_key_file.or_else(|| in_directory("apiserver.key"))?,
        })
    }
}

impl TunnelArgs {
    pub(super) fn entrance(self, bind_address: IpAddr) -> Option<TunnelEntrance> {
        let Self {
            tunnel_port,
            tunnel_client_ca_file,
        } = self;
        Some(TunnelEntrance {
            address: SocketAddr::new(bind_address, tunnel_port?),
            authority: tunnel_client_ca_file?,
        })
    }
}
