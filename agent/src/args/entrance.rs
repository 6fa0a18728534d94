//! The flags that say where the agent attaches, and with which credentials.

use std::path::PathBuf;

use clap::Args;
use runtime::http_proxy::HttpProxy;
use tunnel::Target;

use crate::hub::{Hub, Mtls};

/// Where to attach: through the hub's API server, or at the gateway's tunnel port.
#[derive(Args, Clone, Debug)]
pub(super) struct EntranceArgs {
    /// Kubeconfig of the hub. It is read again for each new connection. Connections use the proxy
    /// that its proxy-url or `HTTPS_PROXY` names.
    #[arg(
        long,
        env = "AGENT_HUB_KUBECONFIG",
        value_name = "FILE",
        required_unless_present = "tunnel_address"
    )]
    hub_kubeconfig: Option<PathBuf>,
    /// Address of the gateway's tunnel port. If it is set, the agent attaches there with mutual TLS
    /// instead of through the hub's API server.
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
    /// HTTP proxy for connections to the tunnel port.
    #[arg(long, env = "HTTPS_PROXY", value_name = "URL", hide_env_values = true)]
    proxy_url: Option<String>,
}

impl EntranceArgs {
    /// Kubeconfig of the hub, which tokens and leases take whatever the entrance.
    pub(super) fn hub_kubeconfig(&self) -> Option<PathBuf> {
        self.hub_kubeconfig.clone()
    }

    /// The entrance, unless something is wrong, which is added to `faults`.
    pub(super) fn hub(self, cluster: String, faults: &mut Vec<String>) -> Option<Hub> {
        let Self {
            hub_kubeconfig,
            tunnel_address,
            tunnel_ca_file,
            tunnel_cert_file,
            tunnel_private_key_file,
            proxy_url,
        } = self;
        let parsed = proxy_url
            .filter(|url| !url.is_empty())
            .map(|url| HttpProxy::parse(&url));
        let proxy = match parsed.transpose() {
            Ok(proxy) => proxy,
            Err(fault) => {
                faults.push(format!("--proxy-url: {fault}"));
                return None;
            }
        };
        let Some(address) = tunnel_address else {
            // clap has made sure that there is one of the two.
            return hub_kubeconfig.map(|kubeconfig| Hub::Api {
                kubeconfig,
                cluster,
            });
        };
        let target: Target = match address.parse() {
            Ok(target) => target,
            Err(fault) => {
                faults.push(format!("--tunnel-address {address}: {fault}"));
                return None;
            }
        };
        // clap has made sure that the files come with the address.
        Some(Hub::Mtls(Mtls {
            host: target.host().to_owned(),
            port: target.port(),
            authority: tunnel_ca_file?,
            certificate: tunnel_cert_file?,
            private_key: tunnel_private_key_file?,
            proxy,
        }))
    }
}
