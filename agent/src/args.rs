//! The flags of the process, each with an environment variable. They are checked together and
//! turned into [`Settings`].

mod apiserver;
mod entrance;
mod leases;
mod network;
mod tokens;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use crds::{ServiceAddress, ServiceAddressError};
use kubernetes::source::Source;
use runtime::{faults::Faults, log::Format};
use tunnel::Target;

use self::{
    apiserver::ApiserverArgs, entrance::EntranceArgs, leases::LeaseArgs, network::NetworkArgs,
    tokens::TokenArgs,
};
use crate::{hub::Hub, leases::LeaseSettings, targets::Network, tokens::TokenSettings};

/// Keeps tunnels from a managed cluster to the gateway on its hub.
#[derive(Clone, Debug, Parser)]
#[command(name = "agent", version)]
pub struct Args {
    /// What to do.
    #[arg(env = "AGENT_COMMAND", value_enum, default_value_t = Command::Serve)]
    command: Command,
    /// Name of this managed cluster on the hub. The gateway accepts it only if the agent's credential is for
    /// the same cluster.
    #[arg(long, env = "AGENT_CLUSTER", value_name = "NAME")]
    cluster: String,
    #[command(flatten)]
    entrance: EntranceArgs,
    #[command(flatten)]
    tokens: TokenArgs,
    #[command(flatten)]
    leases: LeaseArgs,
    /// Number of connections to the gateway. If the gateway has more replicas than that, the agent keeps one
    /// connection to each replica, up to 4. Set 0 for no tunnel, e.g. if another agent keeps it.
    #[arg(
        long,
        env = "AGENT_CONNECTIONS",
        value_name = "COUNT",
        default_value_t = 2,
        value_parser = clap::value_parser!(u8).range(0..=16)
    )]
    connections: u8,
    #[command(flatten)]
    apiserver: ApiserverArgs,
    /// Service of this cluster that the gateway may reach through the tunnel in addition to the API server,
    /// as NAMESPACE/NAME:PORT. Can be repeated.
    #[arg(
        long,
        env = "AGENT_EXPOSE",
        value_name = "SERVICE",
        value_delimiter = ','
    )]
    expose: Vec<String>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Address that /livez, /readyz and /metrics are served on, over plain HTTP.
    #[arg(
        long,
        env = "AGENT_ADMIN_BIND_ADDRESS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9441"
    )]
    admin_bind_address: SocketAddr,
    /// Seconds that open streams may take to finish after the process is told to stop.
    #[arg(
        long,
        env = "AGENT_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 20
    )]
    drain_timeout: u64,
    /// What to log: a level, e.g. `info` or `debug`, or levels by target, e.g. `info,agent::links=debug`.
    #[arg(long, env = "AGENT_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// Format of the log: plain or json.
    #[arg(
        long,
        env = "AGENT_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "plain"
    )]
    log_format: Format,
}

/// What the process is started for.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Command {
    /// Run until the process is told to stop.
    Serve,
    /// Revoke all tokens before an uninstall: delete the ServiceAccount of each token on this cluster, and
    /// remove the finalizers from the ManagedServiceAccounts on the hub. Pass the flags that the agent has.
    /// This takes at most a minute. The exit code is 0 if it succeeds.
    Revoke,
}

/// The checked settings of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The subcommand.
    pub(crate) command: Command,
    /// Whether the agent manages tokens.
    pub tokens_enabled: bool,
    /// How the agent manages tokens.
    pub tokens: TokenSettings,
    /// How to reach this cluster's API server, for tokens and leases.
    pub(crate) spoke: Source,
    /// Which leases the agent renews.
    pub(crate) leases: LeaseSettings,
    /// Kubeconfig of the hub. `None` if the agent only keeps a tunnel with mutual TLS.
    pub hub_kubeconfig: Option<PathBuf>,
    /// How to attach to the gateway.
    pub(crate) hub: Hub,
    /// How many connections the agent keeps.
    pub connections: u8,
    /// The API server of this cluster.
    pub apiserver: Target,
    /// Other services that the gateway may reach.
    pub exposed: Vec<Target>,
    /// How the agent sees its own network.
    pub(crate) network: Network,
    /// The address that serves health and metrics.
    pub admin_address: SocketAddr,
    /// How long open pipes may take to finish.
    pub drain_deadline: Duration,
    /// Which messages to log.
    pub log_filter: String,
    /// The format of the log.
    pub log_format: Format,
}

impl TryFrom<Args> for Settings {
    type Error = Faults;

    fn try_from(args: Args) -> Result<Self, Faults> {
        // Destructured whole, so that a flag nobody uses does not compile.
        let Args {
            command,
            cluster,
            entrance,
            tokens,
            leases,
            connections,
            apiserver,
            expose,
            network,
            admin_bind_address,
            drain_timeout,
            log,
            log_format,
        } = args;
        let mut faults = Vec::new();
        let apiserver = apiserver.target(&mut faults);
        let mut exposed = Vec::new();
        for service in &expose {
            match service_target(service) {
                Ok(target) => exposed.push(target),
                Err(fault) => faults.push(format!("--expose {service}: {fault}")),
            }
        }
        let (tokens_enabled, tokens, spoke) = tokens.settings(cluster.clone(), &mut faults);
        let leases = leases.settings(&mut faults);
        let hub_kubeconfig = entrance.hub_kubeconfig();
        let hub = entrance.hub(cluster, &mut faults);
        if command == Command::Revoke && hub_kubeconfig.is_none() {
            faults.push("revoke: requires --hub-kubeconfig".to_owned());
        }
        match (hub, apiserver) {
            (Some(hub), Some(apiserver)) if faults.is_empty() => Ok(Self {
                command,
                tokens_enabled,
                tokens,
                leases,
                spoke,
                hub_kubeconfig,
                hub,
                connections,
                apiserver,
                exposed,
                network: network.into(),
                admin_address: admin_bind_address,
                drain_deadline: Duration::from_secs(drain_timeout),
                log_filter: log,
                log_format,
            }),
            _ => Err(Faults(faults)),
        }
    }
}

/// The target under which the gateway asks for a service.
fn service_target(service: &str) -> Result<Target, ServiceAddressError> {
    let service: ServiceAddress = service.parse()?;
    let target = format!("{}:{}", service.host(), service.port());
    Ok(target.parse().expect("labels and a port are a target"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn settings(extra: &[&str]) -> Result<Settings, Faults> {
        let given = ["agent", "--cluster=c", "--hub-kubeconfig=k"]
            .into_iter()
            .chain(extra.iter().copied());
        Args::try_parse_from(given).unwrap().try_into()
    }

    #[test]
    fn flags_are_consistent_and_each_has_a_variable() {
        let command = Args::command();
        command.clone().debug_assert();
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            assert!(
                ["help", "version"].contains(&id) || argument.get_env().is_some(),
                "{id}"
            );
        }
    }

    #[test]
    fn services_become_the_names_the_gateway_asks_for() {
        let settings = settings(&["--expose=web/front:80,data/db:5432"]).unwrap();
        let names: Vec<_> = settings.exposed.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["front.web.svc:80", "db.data.svc:5432"]);
    }

    #[test]
    fn no_proxy_keeps_an_agent_from_starting() {
        let tunnel_port = ["--tunnel-address=gateway:443"].into_iter().chain([
            "--tunnel-ca-file=a",
            "--tunnel-cert-file=b",
            "--tunnel-private-key-file=c",
        ]);
        for proxy in [
            "https://proxy",
            "proxy:3128",
            "socks5://proxy",
            "ftp://proxy",
            "http://",
        ] {
            let proxy = format!("--proxy-url={proxy}");
            let flags: Vec<_> = tunnel_port.clone().chain([proxy.as_str()]).collect();
            let settings = settings(&flags).unwrap();
            assert!(matches!(settings.hub, Hub::Mtls(_)));
            self::settings(&[&proxy]).unwrap();
        }
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let faults = settings(&["--apiserver=nowhere", "--expose=web", "--expose=web/../x:1"]);
        let faults = faults.unwrap_err().to_string();
        for flag in [
            "--apiserver nowhere",
            "--expose web:",
            "--expose web/../x:1",
        ] {
            assert!(faults.contains(flag), "{faults}");
        }
    }
}
