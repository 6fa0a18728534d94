//! The flags of the process, each with an environment variable. They are checked together and
//! become [`Settings`].

mod audit;
mod breaker;
mod go;
mod identity;
mod limits;
mod peers;
mod serving;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgAction, Parser, ValueEnum};
use crds::ServiceAddress;
use runtime::{log::Format, memory};

use self::{
    audit::AuditArgs,
    breaker::BreakerArgs,
    go::{GoArgs, Ignored, Meaning},
    identity::IdentityArgs,
    limits::LimitArgs,
    peers::PeerArgs,
    serving::{ServingArgs, TunnelArgs},
};
pub use self::{
    audit::{AuditDestination, AuditSettings},
    peers::{Others, PeerSettings},
};
use crate::{
    account_name::AccountName, breaker::Tripping, identities::Identities, ip_range::IpRange,
    seats::Limits,
};

/// Aggregated API server that proxies Kubernetes API requests to managed clusters.
#[derive(Clone, Debug, Parser)]
#[command(name = "gateway-server", version)]
pub struct Args {
    /// Kubeconfig of the hub. If it is not set, the gateway uses the service account of its Pod.
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
    /// Name of a `ManagedServiceAccount` in the namespace of each accepted `ManagedCluster`. Its
    /// token is the credential for that cluster. If it is not set, the gateway knows only the
    /// clusters that have a Secret in --secret-namespace.
    #[arg(long, env = "GATEWAY_MANAGED_SERVICE_ACCOUNT", value_name = "NAME")]
    managed_service_account: Option<AccountName>,
    /// How to reach clusters that have no Secret in --secret-namespace: tunnel, direct (the client
    /// configs of the `ManagedCluster`, within --egress-address), or auto (tunnel while an agent is
    /// attached, otherwise direct).
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
    /// Range of IP addresses, e.g. 10.0.0.0/8, in which the client configs of a `ManagedCluster` may
    /// be. Can be repeated. Because clusters themselves can change their client configs, none is
    /// used unless a range is given. Loopback and link-local addresses need a range of their own.
    #[arg(
        long,
        env = "GATEWAY_EGRESS_ADDRESSES",
        value_name = "RANGE",
        value_delimiter = ','
    )]
    egress_address: Vec<IpRange>,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Ask the hub's RBAC also what a caller may do inside a managed cluster: the verb on
    /// clustergateways/RESOURCE[.GROUP][/SUBRESOURCE], e.g. create on clustergateways/pods/exec, in the
    /// API group cluster.core.oam.dev.
    #[arg(
        long,
        // The Go program's name for it.
        alias = "authorize-proxy-subpath",
        env = "GATEWAY_INNER_AUTHORIZATION",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    inner_authorization: bool,
    /// Let callers come without the hub's API server: with a client certificate that the hub's client CA
    /// has issued, or with a bearer token that the hub accepts. The hub's RBAC decides as before.
    #[arg(long, env = "GATEWAY_DIRECT_ACCESS")]
    direct_access: bool,
    /// Audience that such a bearer token must have. Can be repeated. If it is not set, the token must be
    /// for the hub's API server.
    #[arg(
        long,
        env = "GATEWAY_DIRECT_ACCESS_AUDIENCES",
        value_name = "AUDIENCE",
        value_delimiter = ',',
        requires = "direct_access"
    )]
    direct_access_audience: Vec<String>,
    #[command(flatten)]
    serving: ServingArgs,
    /// Address that /livez, /readyz and /metrics are served on, over plain HTTP.
    #[arg(
        long,
        env = "GATEWAY_ADMIN_BIND_ADDRESS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9440"
    )]
    admin_bind_address: SocketAddr,
    #[command(flatten)]
    tunnel: TunnelArgs,
    #[command(flatten)]
    peers: PeerArgs,
    /// Service on managed clusters that callers may reach at clustergateways/NAME/services through
    /// a tunnel, as NAMESPACE/NAME:PORT. Can be repeated. The agent of the cluster must expose it,
    /// too.
    #[arg(
        long,
        env = "GATEWAY_EXPOSE",
        value_name = "SERVICE",
        value_delimiter = ','
    )]
    expose: Vec<ServiceAddress>,
    /// Seconds that a managed cluster may take until it starts to respond. Logs and proxied
    /// services may take longer.
    #[arg(
        long,
        env = "GATEWAY_RESPONSE_HEADER_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    response_header_timeout: u64,
    /// Seconds that requests in flight may take to finish after the process is told to stop.
    #[arg(
        long,
        env = "GATEWAY_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 20
    )]
    drain_timeout: u64,
    /// Seconds that the process goes on accepting requests after it is told to stop, because those
    /// who call it learn of it late.
    #[arg(
        long,
        env = "GATEWAY_SHUTDOWN_DELAY",
        value_name = "SECONDS",
        default_value_t = 0
    )]
    shutdown_delay: u64,
    /// Number of gateway-servers that answer as one behind the same Service, this one among them, if they
    /// do not find each other by --peer-port. Each agent keeps a connection to each of them, up to 4.
    #[arg(
        long,
        env = "GATEWAY_REPLICAS",
        value_name = "COUNT",
        default_value_t = 1,
        conflicts_with = "peer_port",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    replicas: u16,
    /// Maximum memory in MiB for data in flight through the tunnels of one managed cluster.
    #[arg(
        long,
        env = "GATEWAY_TUNNEL_MEMORY_PER_CLUSTER",
        value_name = "MIB",
        default_value_t = 256
    )]
    tunnel_memory_per_cluster: usize,
    /// Maximum memory in MiB for data in flight through all tunnels. If it is not set, two thirds of
    /// the memory limit of the container, and 4096 without one.
    #[arg(long, env = "GATEWAY_TUNNEL_MEMORY", value_name = "MIB")]
    tunnel_memory: Option<usize>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    breaker: BreakerArgs,
    #[command(flatten)]
    audit: AuditArgs,
    /// What to log: a level, e.g. `info` (the default) or `debug`, or levels by target, e.g.
    /// `info,gateway_server::proxy=debug`.
    #[arg(long, env = "GATEWAY_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Format of the log: plain or json.
    #[arg(
        long,
        env = "GATEWAY_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "plain"
    )]
    log_format: Format,
    #[command(flatten)]
    go: GoArgs,
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
    /// Where the addresses that clusters name may be.
    pub egress_addresses: Vec<IpRange>,
    /// Who callers are on managed clusters. If it is `None`, all are the gateway's account.
    pub identities: Option<Identities>,
    /// Whether the hub's RBAC also decides what they may do there.
    pub inner_authorization: bool,
    /// The audiences of tokens with which callers come directly, if they may.
    pub direct_access: Option<Vec<String>>,
    /// Where the API is served.
    pub address: SocketAddr,
    /// The files of the serving certificate. If it is `None`, the process makes one.
    pub certificate: Option<CertificateFiles>,
    /// Whether older versions of TLS are refused at the port of the API.
    pub only_tls_13: bool,
    /// Where health and metrics are served.
    pub admin_address: SocketAddr,
    /// Where agents may attach besides the hub's API server.
    pub tunnel_entrance: Option<TunnelEntrance>,
    /// How the other replicas are found and trusted, if there can be any.
    pub peers: Option<PeerSettings>,
    /// Services that may be reached besides the API servers.
    pub exposed: BTreeSet<ServiceAddress>,
    /// How long a managed cluster may take to begin its answer.
    pub head_deadline: Duration,
    /// How long requests in flight get to finish.
    pub drain_deadline: Duration,
    /// How long to go on accepting requests before the drain.
    pub shutdown_delay: Duration,
    /// How many gateways answer as one, if they do not find each other.
    pub replicas: u16,
    /// What one cluster's tunnels may make the process hold.
    pub tunnel_bytes_per_cluster: usize,
    /// What all tunnels together may.
    pub tunnel_bytes: usize,
    /// What may be in flight at one cluster.
    pub limits: Limits,
    /// When a cluster is left alone that cannot be connected to; never if it is `None`.
    pub tripping: Option<Tripping>,
    /// Where requests are recorded, if they are.
    pub audit: Option<AuditSettings>,
    /// What to log.
    pub log_filter: String,
    /// How to log.
    pub log_format: Format,
    /// Flags without an effect, each with what is there instead.
    pub ignored: Vec<(String, &'static str)>,
}

/// A certificate and its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub private_key: PathBuf,
}

/// The flags cannot be kept together, or not at all.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct SettingsError(Vec<String>);

/// The entrance for agents by mutual TLS.
#[derive(Clone, Debug)]
pub struct TunnelEntrance {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose certificates count.
    pub authority: PathBuf,
}

impl TryFrom<Args> for Settings {
    type Error = SettingsError;

    fn try_from(args: Args) -> Result<Self, SettingsError> {
        // Destructured whole, so that a flag nobody uses does not compile.
        let Args {
            kubeconfig,
            secret_namespace,
            managed_service_account,
            egress,
            egress_address,
            identity,
            inner_authorization,
            direct_access,
            direct_access_audience,
            serving,
            admin_bind_address,
            tunnel,
            peers,
            expose,
            response_header_timeout,
            drain_timeout,
            shutdown_delay,
            replicas,
            tunnel_memory_per_cluster,
            tunnel_memory,
            limits,
            breaker,
            audit,
            log,
            log_format,
            go,
        } = args;
        let (go, identities) = understood(go, identity, kubeconfig.as_deref())?;
        let bind_address = serving.bind_address;
        Ok(Self {
            kubeconfig,
            secret_namespace,
            managed_service_account,
            egress,
            egress_addresses: egress_address,
            identities,
            inner_authorization,
            direct_access: direct_access.then_some(direct_access_audience),
            address: serving.address(),
            certificate: serving.certificate(go.certificates.as_deref()),
            only_tls_13: go.only_tls_13,
            admin_address: admin_bind_address,
            tunnel_entrance: tunnel.entrance(bind_address),
            peers: peers.settings(bind_address),
            exposed: expose.into_iter().collect(),
            head_deadline: Duration::from_secs(response_header_timeout),
            drain_deadline: Duration::from_secs(drain_timeout),
            shutdown_delay: Duration::from_secs(shutdown_delay),
            replicas,
            tunnel_bytes_per_cluster: tunnel_memory_per_cluster << 20,
            tunnel_bytes: tunnel_bytes(tunnel_memory, memory::limit()),
            limits: limits.into(),
            tripping: breaker.settings(),
            audit: audit.settings(),
            log_filter: log.unwrap_or_else(|| go.log.unwrap_or("info").to_owned()),
            log_format,
            ignored: go.ignored.into_iter().map(Ignored::told).collect(),
        })
    }
}

/// What the flags of the Go program mean, and who callers are.
fn understood(
    go: GoArgs,
    identity: IdentityArgs,
    kubeconfig: Option<&Path>,
) -> Result<(Meaning, Option<Identities>), SettingsError> {
    let mut go = go.meaning(kubeconfig);
    let identities = identity.settings(go.penetration);
    let identities = identities.map_err(|fault| go.faults.push(fault.to_owned()));
    match identities {
        Ok(identities) if go.faults.is_empty() => Ok((go, identities)),
        _ => Err(SettingsError(go.faults)),
    }
}

/// What data in flight may take: what is said, or a part of `limit` that leaves room for the rest of
/// the process.
fn tunnel_bytes(mebibytes: Option<usize>, limit: Option<usize>) -> usize {
    match (mebibytes, limit) {
        (Some(mebibytes), _) => mebibytes << 20,
        (None, Some(limit)) => limit / 3 * 2,
        (None, None) => 4096 << 20,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_gateway_that_finds_the_others_counts_them_itself() {
        let peers = "--peer-port=1 --peer=a:1 --peer-cert-file=c --peer-private-key-file=k \
                     --peer-ca-file=a";
        let given = |more: &str| {
            let fixed = "gateway-server --tls-cert-file=c --tls-private-key-file=k";
            let all = [fixed, peers, more].join(" ");
            Args::try_parse_from(all.split_whitespace())
        };
        let settings = Settings::try_from(given("").unwrap()).unwrap();
        assert_eq!(settings.replicas, 1);
        let error = given("--replicas=2").unwrap_err().to_string();
        assert!(error.contains("--peer-port"), "{error}");
    }

    #[test]
    fn data_in_flight_leaves_room_in_the_memory_of_the_container() {
        assert_eq!(tunnel_bytes(None, Some(3 << 30)), 2 << 30);
        assert_eq!(tunnel_bytes(None, None), 4 << 30);
        assert_eq!(tunnel_bytes(Some(100), Some(3 << 30)), 100 << 20);
    }

    #[test]
    fn flags_are_consistent_and_each_has_a_variable() {
        let command = Args::command();
        command.clone().debug_assert();
        for argument in command
            .get_arguments()
            .filter(|it| !["help", "version"].contains(&it.get_id().as_str()))
            // Those of the Go program.
            .filter(|it| !it.is_hide_set())
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
