//! The walkthrough on this machine: a hub and two spokes come up, one of them behind
//! the tunnel of its agent, the gateway is registered, and the
//! hub admin's commands run with their real output. Stays up until Ctrl-C unless told `--once`.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use e2e::{
    Agent, AgentOptions, Cluster, Gateway, GatewayOptions, Kubectl, SpokeOptions, World,
    programs::{self, Programs},
};
use tokio::time::Instant;

/// Reached at its address.
const SPOKE: &str = "managed1";
/// Reached through the tunnel of its agent.
const TUNNELLED: &str = "managed2";
const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
/// The answer to a write may take this long to be seen by a watch.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

const CONFIG_MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, namespace: default}
data: {hello: from the hub}
";

/// A hub and a spoke on this machine, and kubectl through the gateway.
#[derive(Debug, Parser)]
struct Args {
    /// End after the commands.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { once } = Args::parse();
    Programs::ensure(programs::ALL).context("the control plane is not complete")?;
    tokio::select! {
        done = demo(once) => done,
        signal = tokio::signal::ctrl_c() => signal.context("cannot listen for Ctrl-C"),
    }
}

async fn demo(once: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    say("Starting a hub and two managed clusters …")?;
    let world = World::builder()
        .cluster("hub")
        .cluster(SPOKE)
        .cluster(TUNNELLED)
        .start()
        .await?;
    let hub = world.cluster("hub");
    let gateway = Gateway::start(hub, GatewayOptions::default()).await?;
    gateway
        .register_spoke(world.cluster(SPOKE), SpokeOptions::default())
        .await?;
    let tunnelled = SpokeOptions {
        tunnelled: true,
        ..SpokeOptions::default()
    };
    gateway
        .register_spoke(world.cluster(TUNNELLED), tunnelled)
        .await?;
    let _agent = Agent::attached(hub, world.cluster(TUNNELLED), AgentOptions::default()).await?;
    let took = started.elapsed().as_secs_f32();
    say(&format!(
        "Up after {took:.1} s; {TUNNELLED} is behind the tunnel of its agent."
    ))?;

    let tour = Tour {
        hub,
        hub_config: hub.kubeconfig_path(),
    };
    tour.as_hub_admin().await?;
    let mut spoke_configs = Vec::new();
    for spoke in [SPOKE, TUNNELLED] {
        let config = edited_kubeconfig(hub, spoke)?;
        tour.on_the_managed_cluster(spoke, &config).await?;
        spoke_configs.push((spoke, config));
    }

    if !once {
        say("\n# The hub, until Ctrl-C:")?;
        say(&format!("export KUBECONFIG={}", tour.hub_config.display()))?;
        for (spoke, config) in spoke_configs {
            let config = config.display();
            say(&format!(
                "# {spoke}, through the hub: kubectl --kubeconfig {config}"
            ))?;
        }
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// The hub's kubeconfig with the proxy's path behind its server.
fn edited_kubeconfig(hub: &Cluster, spoke: &str) -> anyhow::Result<PathBuf> {
    let server = format!("{}{GATEWAYS}/{spoke}/proxy", hub.url());
    let file = format!("{spoke}.kubeconfig");
    Ok(hub.write_kubeconfig(&file, &server, &hub.ca_pem(), hub.admin())?)
}

/// The commands of the walkthrough.
struct Tour<'a> {
    hub: &'a Cluster,
    hub_config: PathBuf,
}

impl Tour<'_> {
    async fn as_hub_admin(&self) -> anyhow::Result<()> {
        let config = &self.hub_config;
        self.show(config, &["get", "clustergateway"]).await?;
        for spoke in [SPOKE, TUNNELLED] {
            let healthz = format!("{GATEWAYS}/{spoke}/proxy/healthz");
            let answer = self.show(config, &["get", "--raw", &healthz]).await?;
            anyhow::ensure!(answer == "ok", "healthz of {spoke} answered {answer:?}");
        }
        Ok(())
    }

    async fn on_the_managed_cluster(&self, spoke: &str, config: &Path) -> anyhow::Result<()> {
        say(&format!(
            "\n# With the hub's kubeconfig, and {GATEWAYS}/{spoke}/proxy appended to its server:"
        ))?;
        self.show(config, &["get", "ns"]).await?;
        self.run(config, &["apply", "-f", "-"], Some(CONFIG_MAP))
            .await?;

        let watch = [
            "get",
            "configmap",
            "greeting",
            "-w",
            "--output-watch-events",
        ];
        announce(&watch)?;
        let mut watching = self.kubectl(config, &watch).spawn()?;
        for _ in 0..2 {
            print(&watching.line(SEEN_WITHIN).await?.unwrap_or_default())?;
        }
        self.show(config, &["delete", "configmap", "greeting"])
            .await?;
        say("# and the watch saw it:")?;
        let event = watching.line_with("DELETED", SEEN_WITHIN).await?;
        print(&event.context("the watch ended early")?)?;
        watching.kill().await;
        Ok(())
    }

    async fn show(&self, config: &Path, args: &[&str]) -> anyhow::Result<String> {
        self.run(config, args, None).await
    }

    async fn run(
        &self,
        config: &Path,
        args: &[&str],
        stdin: Option<&str>,
    ) -> anyhow::Result<String> {
        announce(args)?;
        let kubectl = self.kubectl(config, args);
        let kubectl = match stdin {
            Some(text) => kubectl.stdin(text),
            None => kubectl,
        };
        let answer = kubectl.ok().await?;
        print(answer.trim_end())?;
        Ok(answer)
    }

    fn kubectl(&self, config: &Path, args: &[&str]) -> Kubectl {
        self.hub.kubectl_with(config, args)
    }
}

fn announce(args: &[&str]) -> anyhow::Result<()> {
    say(&format!("\n$ kubectl {}", args.join(" ")))
}

fn print(line: &str) -> anyhow::Result<()> {
    say(line.trim_end())
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}
