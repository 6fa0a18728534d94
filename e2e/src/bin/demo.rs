//! The walkthrough on this machine: a hub and a spoke come up, the gateway is registered, and the
//! hub admin's commands run with their real output. Stays up until Ctrl-C unless told `--once`.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use e2e::{
    Cluster, Credentials, Gateway, GatewayOptions, Kubectl, SpokeOptions, World,
    programs::{self, Programs},
};
use tokio::time::Instant;

const SPOKE: &str = "managed1";
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
    say("Starting a hub and a managed cluster …")?;
    let world = World::builder()
        .cluster("hub")
        .cluster(SPOKE)
        .start()
        .await?;
    let (hub, spoke) = (world.cluster("hub"), world.cluster(SPOKE));
    let gateway = Gateway::start(hub, GatewayOptions::default()).await?;
    gateway
        .register_spoke(spoke, SpokeOptions::default())
        .await?;
    say(&format!(
        "Up after {:.1} s, the gateway registered at the hub.",
        started.elapsed().as_secs_f32()
    ))?;

    let tour = Tour {
        hub,
        hub_config: hub.kubeconfig_path(),
    };
    tour.as_hub_admin().await?;
    let spoke_config = edited_kubeconfig(hub)?;
    tour.on_the_managed_cluster(&spoke_config).await?;

    if !once {
        say("\n# The hub, until Ctrl-C:")?;
        say(&format!("export KUBECONFIG={}", tour.hub_config.display()))?;
        say(&format!(
            "# {SPOKE}, through the hub: kubectl --kubeconfig {}",
            spoke_config.display()
        ))?;
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// The hub's kubeconfig with the proxy's path behind its server.
fn edited_kubeconfig(hub: &Cluster) -> anyhow::Result<PathBuf> {
    let server = format!("{}{GATEWAYS}/{SPOKE}/proxy", hub.url());
    let admin: &Credentials = hub.admin();
    Ok(hub.write_kubeconfig(
        &format!("{SPOKE}.kubeconfig"),
        &server,
        &hub.ca_pem(),
        admin,
    )?)
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
        let healthz = format!("{GATEWAYS}/{SPOKE}/proxy/healthz");
        let answer = self.show(config, &["get", "--raw", &healthz]).await?;
        anyhow::ensure!(answer == "ok", "healthz answered {answer:?}");
        Ok(())
    }

    async fn on_the_managed_cluster(&self, config: &Path) -> anyhow::Result<()> {
        say(&format!(
            "\n# With the hub's kubeconfig, and {GATEWAYS}/{SPOKE}/proxy appended to its server:"
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
