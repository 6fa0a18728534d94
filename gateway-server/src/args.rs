//! What the process is told at its start: flags, each with an environment variable, checked
//! together and turned into [`Settings`].

use std::{collections::BTreeSet, net::IpAddr, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use crds::ServiceAddress;
use runtime::log::Format;

use crate::account_name::AccountName;

/// Aggregated API server that proxies Kubernetes API requests to managed clusters.
#[derive(Clone, Debug, Parser)]
#[command(name = "gateway-server", version)]
pub struct Args {
    /// Kubeconfig of the hub; without it, the Pod's own service account.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the Secrets that hold the managed clusters' endpoints and credentials.
    #[arg(
        long,
        env = "GATEWAY_SECRET_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "open-cluster-management-credentials"
    )]
    secret_namespace: String,
    /// Name of the `ManagedServiceAccount`, in the namespace of each accepted `ManagedCluster`, whose
    /// token is used for that cluster; without it, only Secrets in --secret-namespace make clusters.
    #[arg(long, env = "GATEWAY_MANAGED_SERVICE_ACCOUNT", value_name = "NAME")]
    managed_service_account: Option<AccountName>,
    /// How clusters without a Secret in --secret-namespace are reached: auto, which is through the
    /// tunnel while an agent is attached and else at the client configs of its
    /// `ManagedCluster`; tunnel; or direct.
    #[arg(
        long,
        env = "GATEWAY_EGRESS",
        value_name = "WAY",
        value_enum,
        hide_possible_values = true,
        default_value = "auto",
        requires = "managed_service_account"
    )]
    egress: Egress,
    /// As whom callers act on managed clusters: impersonate, as themselves where an `AccessGrant`
    /// names them and else as the gateway's account there; or service-account, all as the gateway's
    /// account.
    #[arg(
        long,
        env = "GATEWAY_IDENTITY",
        value_name = "IDENTITY",
        value_enum,
        hide_possible_values = true,
        default_value = "service-account"
    )]
    identity: Identity,
    /// Address to serve the API on.
    #[arg(
        long,
        env = "GATEWAY_BIND_ADDRESS",
        value_name = "IP",
        default_value = "0.0.0.0"
    )]
    bind_address: IpAddr,
    /// Port to serve the API on.
    #[arg(
        long,
        env = "GATEWAY_SECURE_PORT",
        value_name = "PORT",
        default_value_t = 9443
    )]
    secure_port: u16,
    /// Serving certificate chain, PEM; read again when it changes.
    #[arg(long, env = "GATEWAY_TLS_CERT_FILE", value_name = "FILE")]
    tls_cert_file: PathBuf,
    /// Key of the serving certificate, PEM; read again when it changes.
    #[arg(long, env = "GATEWAY_TLS_PRIVATE_KEY_FILE", value_name = "FILE")]
    tls_private_key_file: PathBuf,
    /// Address of /livez, /readyz and /metrics over plain HTTP.
    #[arg(
        long,
        env = "GATEWAY_ADMIN_BIND_ADDRESS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9440"
    )]
    admin_bind_address: SocketAddr,
    /// Port for agents to attach at directly, by mutual TLS, besides the hub's API server.
    #[arg(
        long,
        env = "GATEWAY_TUNNEL_PORT",
        value_name = "PORT",
        requires = "tunnel_client_ca_file"
    )]
    tunnel_port: Option<u16>,
    /// Authority of the agents' certificates at the tunnel port, PEM; read again when it changes.
    #[arg(
        long,
        env = "GATEWAY_TUNNEL_CLIENT_CA_FILE",
        value_name = "FILE",
        requires = "tunnel_port"
    )]
    tunnel_client_ca_file: Option<PathBuf>,
    /// A service that may be reached through tunnels at clustergateways/NAME/services, besides the
    /// API server, as NAMESPACE/NAME:PORT; may be given more than once. Agents have a list, too.
    #[arg(
        long,
        env = "GATEWAY_EXPOSE",
        value_name = "SERVICE",
        value_delimiter = ','
    )]
    expose: Vec<ServiceAddress>,
    /// Seconds that a managed cluster may take to begin its answer. Logs and proxied services may
    /// take longer.
    #[arg(
        long,
        env = "GATEWAY_RESPONSE_HEADER_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    response_header_timeout: u64,
    /// Seconds that requests in flight get to finish once the process is told to stop.
    #[arg(
        long,
        env = "GATEWAY_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 20
    )]
    drain_timeout: u64,
    /// Number of gateway-servers that answer as one behind the same Service, this one among them. Each
    /// agent keeps a connection to each of them, up to 4.
    #[arg(
        long,
        env = "GATEWAY_REPLICAS",
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    replicas: u16,
    /// MiB that the open pipes of one managed cluster's tunnels may make this process hold.
    #[arg(
        long,
        env = "GATEWAY_TUNNEL_MEMORY_PER_CLUSTER",
        value_name = "MIB",
        default_value_t = 64
    )]
    tunnel_memory_per_cluster: usize,
    /// MiB that the open pipes of all tunnels may make this process hold.
    #[arg(
        long,
        env = "GATEWAY_TUNNEL_MEMORY",
        value_name = "MIB",
        default_value_t = 4096
    )]
    tunnel_memory: usize,
    /// What to log: `info`, `debug`, or targets as `info,gateway_server::proxy=debug`.
    #[arg(
        long,
        env = "GATEWAY_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    log: String,
    /// How to log: plain or json.
    #[arg(
        long,
        env = "GATEWAY_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "plain"
    )]
    log_format: Format,
}

/// How a cluster that is derived from a `ManagedCluster` is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Egress {
    /// Through its tunnel while an agent is attached, else at its client configs.
    Auto,
    /// Through its tunnel only.
    Tunnel,
    /// At the client configs of its `ManagedCluster` only.
    Direct,
}

/// As whom callers act on managed clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Identity {
    /// As themselves, where they were granted something there; else as the gateway's account.
    Impersonate,
    /// As the gateway's account.
    ServiceAccount,
}

/// What the process does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Kubeconfig of the hub, unless the process runs in one of its Pods.
    pub kubeconfig: Option<PathBuf>,
    /// Where the managed clusters' Secrets are.
    pub secret_namespace: String,
    /// Whose tokens make clusters without such Secrets.
    pub managed_service_account: Option<AccountName>,
    /// How those are reached.
    pub egress: Egress,
    /// As whom callers act on managed clusters.
    pub identity: Identity,
    /// Where the API is served.
    pub address: SocketAddr,
    /// The serving certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
    /// Where health and metrics are served.
    pub admin_address: SocketAddr,
    /// Where agents may attach besides the hub's API server.
    pub tunnel_entrance: Option<TunnelEntrance>,
    /// Services that may be reached besides the API servers.
    pub exposed: BTreeSet<ServiceAddress>,
    /// How long a managed cluster may take to begin its answer.
    pub head_deadline: Duration,
    /// How long requests in flight get to finish.
    pub drain_deadline: Duration,
    /// How many gateways answer as one.
    pub replicas: u16,
    /// What one cluster's tunnels may make the process hold.
    pub tunnel_bytes_per_cluster: usize,
    /// What all tunnels together may.
    pub tunnel_bytes: usize,
    /// What to log.
    pub log_filter: String,
    /// How to log.
    pub log_format: Format,
}

/// The entrance for agents by mutual TLS.
#[derive(Clone, Debug)]
pub struct TunnelEntrance {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose certificates count.
    pub authority: PathBuf,
}

impl From<Args> for Settings {
    fn from(args: Args) -> Self {
        // Destructured whole, so that a flag nobody uses does not compile.
        let Args {
            kubeconfig,
            secret_namespace,
            managed_service_account,
            egress,
            identity,
            bind_address,
            secure_port,
            tls_cert_file,
            tls_private_key_file,
            admin_bind_address,
            tunnel_port,
            tunnel_client_ca_file,
            expose,
            response_header_timeout,
            drain_timeout,
            replicas,
            tunnel_memory_per_cluster,
            tunnel_memory,
            log,
            log_format,
        } = args;
        Self {
            kubeconfig,
            secret_namespace,
            managed_service_account,
            egress,
            identity,
            address: SocketAddr::new(bind_address, secure_port),
            certificate: tls_cert_file,
            private_key: tls_private_key_file,
            admin_address: admin_bind_address,
            tunnel_entrance: tunnel_port
                .zip(tunnel_client_ca_file)
                .map(|(port, authority)| TunnelEntrance {
                    address: SocketAddr::new(bind_address, port),
                    authority,
                }),
            exposed: expose.into_iter().collect(),
            head_deadline: Duration::from_secs(response_header_timeout),
            drain_deadline: Duration::from_secs(drain_timeout),
            replicas,
            tunnel_bytes_per_cluster: tunnel_memory_per_cluster << 20,
            tunnel_bytes: tunnel_memory << 20,
            log_filter: log,
            log_format,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent_and_each_has_a_variable() {
        let command = Args::command();
        command.clone().debug_assert();
        for argument in command
            .get_arguments()
            .filter(|it| !["help", "version"].contains(&it.get_id().as_str()))
        {
            assert!(
                argument.get_env().is_some(),
                "{} has no variable",
                argument.get_id()
            );
            assert!(
                argument.get_help().is_some(),
                "{} has no help",
                argument.get_id()
            );
        }
    }
}
