//! The walkthrough on this machine: a hub and two clusters that join it by Open Cluster Management,
//! one of them behind the tunnel of its agent; tokens come from `ManagedServiceAccount`s. The hub admin's
//! commands run with their real output. Stays up until Ctrl-C unless told `--once`.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use e2e::{
    Cluster, Enrolled, Gateway, GatewayOptions, Kubectl, World,
    enrolled::prepare_hub,
    eventually,
    ocm::{KlusterletOptions, Ocm},
    programs::{self, OCM, Programs},
};
use tokio::time::Instant;

/// Reached at its address.
const SPOKE: &str = "managed1";
/// Reached through the tunnel of its agent.
const TUNNELLED: &str = "managed2";
const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
/// The account that the gateway logs in as.
const ACCOUNT: &str = "cluster-gateway";
/// An account's token and role are there by then.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// The answer to a write may take this long to be seen by a watch.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

const CONFIG_MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, namespace: default}
data: {hello: from the hub}
";

/// A hub and two managed clusters on this machine, and kubectl through the gateway.
#[derive(Debug, Parser)]
struct Args {
    /// End after the commands.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { once } = Args::parse();
    let families = [programs::ALL, &[&OCM]].concat();
    Programs::ensure(&families).context("the control plane is not complete")?;
    tokio::select! {
        done = demo(once) => done,
        signal = tokio::signal::ctrl_c() => signal.context("cannot listen for Ctrl-C"),
    }
}

async fn demo(once: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    say("Starting a hub and two clusters, and letting them join it …")?;
    let world = World::builder()
        .cluster("hub")
        .cluster(SPOKE)
        .cluster(TUNNELLED)
        .start()
        .await?;
    let hub = world.cluster("hub");
    let ocm = Ocm::start(hub).await?;
    prepare_hub(hub).await?;
    let options = GatewayOptions {
        args: vec![format!("--managed-service-account={ACCOUNT}")],
        ..GatewayOptions::default()
    };
    let _gateway = Gateway::start(hub, options).await?;
    let mut enrolled = Vec::new();
    for (name, dialable) in [(SPOKE, true), (TUNNELLED, false)] {
        let options = KlusterletOptions {
            dialable,
            ..KlusterletOptions::default()
        };
        let spoke = Enrolled::start(&ocm, hub, world.cluster(name), options).await?;
        spoke.account(ACCOUNT, "cluster-admin").await?;
        enrolled.push(spoke);
        is_open(hub, name).await?;
    }
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

/// Waits until the account has its token, and its role by a `ManifestWork`.
async fn is_open(hub: &Cluster, spoke: &str) -> anyhow::Result<()> {
    let path = format!("{GATEWAYS}/{spoke}/proxy/api/v1/namespaces");
    let open = || async { hub.kubectl(&["get", "--raw", &path]).ok().await.map(drop) };
    Ok(eventually(OPEN_WITHIN, "the account opens the cluster", open).await?)
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
        self.show(config, &["get", "managedcluster"]).await?;
        self.show(config, &["get", "managedserviceaccount", "-A"])
            .await?;
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
