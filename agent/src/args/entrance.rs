//! The flags that say where the agent attaches, and with which credential.

use std::path::PathBuf;

use clap::Args;
use runtime::proxy::Proxies;
use tunnel::Target;

use crate::hub::{Hub, HubApi, Mtls};

/// Where to attach: through the hub's API server, or at the gateway's tunnel port.
#[derive(Args, Clone, Debug)]
pub(super) struct EntranceArgs {
    /// Kubeconfig of the hub. It is read again for each new connection. Connections use the proxy that its
    /// proxy-url names, or that of `HTTPS_PROXY` and `NO_PROXY`.
    #[arg(
        long,
        env = "AGENT_HUB_KUBECONFIG",
        value_name = "FILE",
        required_unless_present = "tunnel_address"
    )]
    hub_kubeconfig: Option<PathBuf>,
    /// Address of the gateway's tunnel port. If it is set, the agent attaches there with mutual TLS instead of
    /// through the hub's API server.
    #[arg(
        long,
        env = "AGENT_TUNNEL_ADDRESS",
        value_name = "HOST:PORT",
        requires_all = ["tunnel_ca_file", "tunnel_cert_file", "tunnel_private_key_file"]
    )]
    tunnel_address: Option<String>,
    /// PEM file with the CA of the tunnel port's certificate.
    #[arg(
        long,
        env = "AGENT_TUNNEL_CA_FILE",
        value_name = "FILE",
        requires = "tunnel_address"
    )]
    tunnel_ca_file: Option<PathBuf>,
    /// PEM file with the agent's certificate chain for the tunnel port.
    #[arg(
        long,
        env = "AGENT_TUNNEL_CERT_FILE",
        value_name = "FILE",
        requires = "tunnel_address"
    )]
    tunnel_cert_file: Option<PathBuf>,
    /// PEM file with the key of the agent's certificate for the tunnel port.
    #[arg(
        long,
        env = "AGENT_TUNNEL_PRIVATE_KEY_FILE",
        value_name = "FILE",
        requires = "tunnel_address"
    )]
    tunnel_private_key_file: Option<PathBuf>,
    /// Proxy for connections to the tunnel port: an http, https or socks5 URL. If it is not set, they use the
    /// proxy of `HTTPS_PROXY` and `NO_PROXY`.
    #[arg(
        long,
        env = "AGENT_PROXY_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    proxy_url: Option<String>,
}

impl EntranceArgs {
    /// Kubeconfig of the hub. Tokens and leases need it for every entrance.
    pub(super) fn hub_kubeconfig(&self) -> Option<PathBuf> {
        self.hub_kubeconfig.clone()
    }

    /// Returns the entrance, or adds what is wrong to `faults`.
    pub(super) fn hub(self, cluster: String, faults: &mut Vec<String>) -> Option<Hub> {
        let Self {
            hub_kubeconfig,
            tunnel_address,
            tunnel_ca_file,
            tunnel_cert_file,
            tunnel_private_key_file,
            proxy_url,
        } = self;
        let Some(address) = tunnel_address else {
            // clap ensures that either the address or the kubeconfig is set.
            return hub_kubeconfig.map(|kubeconfig| Hub::Api(HubApi::new(kubeconfig, cluster)));
        };
        let target: Target = match address.parse() {
            Ok(target) => target,
            Err(fault) => {
                faults.push(format!("--tunnel-address {address}: {fault}"));
                return None;
            }
        };
        // clap ensures that the files are set if the address is.
        Some(Hub::Mtls(Mtls {
            host: target.host().to_owned(),
            port: target.port(),
            authority: tunnel_ca_file?,
            certificate: tunnel_cert_file?,
            private_key: tunnel_private_key_file?,
            proxies: match proxy_url.filter(|url| !url.is_empty()) {
                // If it is wrong, attempts to attach say so: tokens need no tunnel.
                Some(url) => Proxies::always("--proxy-url", &url),
                None => Proxies::of_environment(),
            },
        }))
    }
}
