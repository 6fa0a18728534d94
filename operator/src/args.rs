//! The flags of the process, each with an environment variable. They are checked together and
//! turned into [`Settings`].

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use runtime::{faults::Faults, log::Format};

/// Makes managed clusters reachable from the hub, as the GatewayConfiguration specifies.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Clone, Debug, Parser)]
#[command(name = "operator", version)]
pub struct Args {
    /// What to do.
    #[arg(env = "OPERATOR_COMMAND", value_enum, default_value_t = Command::Serve)]
    command: Command,
    /// Seconds that uninstall waits until everything is removed.
    #[arg(
        long,
        env = "OPERATOR_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 240
    )]
    timeout: u64,
    /// Kubeconfig of the hub. If it is not set, the operator uses the service account of its Pod.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the Lease that elects the leader.
    #[arg(
        long,
        env = "POD_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "spokeway-system"
    )]
    namespace: String,
    /// Identity of this process in the Lease: the name of its Pod.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: String,
    /// Image of the agent that the operator deploys to managed clusters.
    #[arg(
        long,
        env = "OPERATOR_AGENT_IMAGE",
        value_name = "IMAGE",
        default_value = concat!("ghcr.io/spokeway/agent:v", env!("CARGO_PKG_VERSION"))
    )]
    agent_image: String,
    /// Image of the gateway server.
    #[arg(
        long,
        env = "OPERATOR_GATEWAY_IMAGE",
        value_name = "IMAGE",
        default_value = concat!("ghcr.io/spokeway/gateway-server:v", env!("CARGO_PKG_VERSION"))
    )]
    gateway_image: String,
    /// Repositories of other images that the GatewayConfiguration may name in spec.server.image, e.g.
    /// registry.example.com/gateway-server, each in every tag and digest. If this is not set, it may name
    /// none, because whoever writes it could run any program with the rights of the gateway.
    #[arg(
        long,
        env = "OPERATOR_ALLOW_GATEWAY_IMAGES",
        value_name = "REPOSITORY",
        value_delimiter = ','
    )]
    allow_gateway_images: Vec<String>,
    /// Seconds that the operator waits for a cluster that is no longer selected: first until its agent has
    /// revoked its tokens, then as long again until the agent is removed. After that, it removes what is
    /// left on the hub without waiting for the cluster.
    #[arg(
        long,
        env = "OPERATOR_REMOVAL_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 300
    )]
    removal_timeout: u64,
    /// Address that /livez, /readyz and /metrics are served on, over plain HTTP.
    #[arg(
        long,
        env = "OPERATOR_ADMIN_BIND_ADDRESS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9442"
    )]
    admin_bind_address: SocketAddr,
    /// What to log: a level, e.g. info or debug, or levels by target, e.g. info,operator::engine=debug.
    #[arg(
        long,
        env = "OPERATOR_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    log: String,
    /// Format of the log: plain or json.
    #[arg(
        long,
        env = "OPERATOR_LOG_FORMAT",
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
    /// Delete the GatewayConfiguration, and wait until the running operator has removed everything that it
    /// created on managed clusters and on the hub. The exit code is 0 if that succeeds.
    Uninstall,
}

/// The checked settings of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The subcommand.
    pub(crate) command: Command,
    /// How long an uninstall waits.
    pub(crate) uninstall_deadline: Duration,
    /// Kubeconfig of the hub, unless the process runs in one of its Pods.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the leader's Lease.
    pub namespace: String,
    /// The identity of this process in the Lease.
    pub identity: String,
    /// The image of the agents.
    pub agent_image: String,
    /// The image of the gateway server.
    pub gateway_image: String,
    /// The repositories of other images that the configuration may name.
    pub allowed_images: Vec<String>,
    /// How long the removal of a cluster waits for its agent.
    pub removal_deadline: Duration,
    /// The address that serves health and metrics.
    pub admin_address: SocketAddr,
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
            timeout,
            kubeconfig,
            namespace,
            identity,
            agent_image,
            gateway_image,
            allow_gateway_images,
            removal_timeout,
            admin_bind_address,
            log,
            log_format,
        } = args;
        let mut faults = Vec::new();
        for (flag, value) in [
            ("--namespace", &namespace),
            ("--identity", &identity),
            ("--agent-image", &agent_image),
            ("--gateway-image", &gateway_image),
        ] {
            if value.is_empty() {
                faults.push(format!("{flag}: must not be empty"));
            }
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        Ok(Self {
            command,
            uninstall_deadline: Duration::from_secs(timeout),
            kubeconfig,
            namespace,
            identity,
            agent_image,
            gateway_image,
            // An empty variable names none.
            allowed_images: allow_gateway_images
                .into_iter()
                .filter(|it| !it.is_empty())
                .collect(),
            removal_deadline: Duration::from_secs(removal_timeout),
            admin_address: admin_bind_address,
            log_filter: log,
            log_format,
        })
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
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let is_own = !["help", "version"].contains(&id);
            assert!(!is_own || argument.get_env().is_some(), "{id}");
            assert!(!is_own || argument.get_help().is_some(), "{id}");
        }
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let args = ["operator", "--identity=", "--namespace=", "--agent-image=a"];
        let faults = Settings::try_from(Args::try_parse_from(args).unwrap());
        let faults = faults.unwrap_err().to_string();
        assert!(
            faults.contains("--identity") && faults.contains("--namespace"),
            "{faults}"
        );
    }
}
