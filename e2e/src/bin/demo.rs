//! The walkthrough on this machine: a hub with two gateways, as in an installation, and two
//! clusters that join it by Open Cluster Management, one of them behind the tunnel of its agent.
//! One object makes both reachable, and a second one grants a user of the hub a role on them. The
//! commands of the hub's admin and of that user run with their real output. The demo stays up until
//! Ctrl-C unless `--once` is given.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use e2e::{
    Cluster, GatewayOptions, Kubectl, Operator, ProcessKubelet, Replicas, World, eventually,
    ocm::{Klusterlet, KlusterletOptions, Ocm},
    programs::{self, OCM, Programs},
};
use tokio::time::Instant;

/// The cluster that can also be reached at its address.
const SPOKE: &str = "managed1";
/// The cluster that can be reached only through the tunnel of its agent.
const TUNNELLED: &str = "managed2";
/// The number of gateways that answer as one.
const REPLICAS: usize = 2;
const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
/// A user of the hub, who has no account on any cluster.
const USER: &str = "alice";
const GRANT: &str = "\
apiVersion: gateway.open-cluster-management.io/v1alpha1
kind: AccessGrant
metadata: {name: alice-edits}
spec:
  clusters: {names: [managed1, managed2]}
  subjects: [{kind: User, name: alice}]
  role: {clusterRole: edit}
  expiresAfter: 8h
";
const OPEN_WITHIN: Duration = Duration::from_mins(1);
/// OCM checks leases every 30 s.
const AVAILABLE_WITHIN: Duration = Duration::from_mins(2);
/// How long it may take until a watch sees a write.
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
    /// Stop after the kubectl commands.
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
    Operator::install(hub).await?;
    let replicas = Replicas::start(hub, &GatewayOptions::for_operator(), REPLICAS).await?;
    let _operator = Operator::start(hub, "operator-1", &[]).await?;
    let mut joined = Vec::new();
    for (name, dialable) in [(SPOKE, true), (TUNNELLED, false)] {
        joined.push(join(&ocm, world.cluster(name), dialable).await?);
    }
    let took = started.elapsed().as_secs_f32();
    say(&format!(
        "Up after {took:.1} s, with {REPLICAS} gateways behind one Service; {TUNNELLED} cannot be dialled \
         from the hub."
    ))?;

    let tour = Tour {
        hub,
        hub_config: hub.kubeconfig_path(),
    };
    tour.turn_on(&world, &replicas).await?;
    tour.as_hub_admin().await?;
    let mut spoke_configs = Vec::new();
    for spoke in [SPOKE, TUNNELLED] {
        spoke_configs.push((spoke, edited_kubeconfig(hub, spoke)?));
    }
    tour.grant(&world, &spoke_configs).await?;
    for (spoke, config) in &spoke_configs {
        tour.on_the_managed_cluster(spoke, config).await?;
    }

    if !once {
        say("\n# The hub, until Ctrl-C:")?;
        say(&format!("export KUBECONFIG={}", tour.hub_config.display()))?;
        for (spoke, config) in spoke_configs {
            let config = config.display();
            say(&format!(
                "# {spoke}, through the hub, as {USER}: kubectl --kubeconfig {config}"
            ))?;
        }
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Lets a cluster join, with nodes that run the agents of add-ons.
async fn join(
    ocm: &Ocm,
    spoke: &Cluster,
    dialable: bool,
) -> anyhow::Result<(Klusterlet, ProcessKubelet)> {
    let options = KlusterletOptions {
        dialable,
        ..KlusterletOptions::default()
    };
    let klusterlet = ocm.join(spoke, options).await?;
    Ok((klusterlet, ProcessKubelet::start(spoke)?))
}

/// The user's kubeconfig of the hub with the proxy's path appended to its server.
fn edited_kubeconfig(hub: &Cluster, spoke: &str) -> anyhow::Result<PathBuf> {
    let server = format!("{}{GATEWAYS}/{spoke}/proxy", hub.url());
    let file = format!("{spoke}.kubeconfig");
    let user = hub.certificate_of(USER, &[])?;
    Ok(hub.write_kubeconfig(&file, &server, &hub.ca_pem(), &user)?)
}

/// The commands of the walkthrough.
struct Tour<'a> {
    hub: &'a Cluster,
    hub_config: PathBuf,
}

impl Tour<'_> {
    /// Creates the one object, from a file.
    async fn turn_on(&self, world: &World, replicas: &Replicas) -> anyhow::Result<()> {
        let file = world.directory().join("gateway.yaml");
        let configuration = Operator::configuration_of_replicas(replicas);
        fs::write(&file, &configuration)?;
        say("\n# gateway.yaml is a GatewayConfiguration that says where the gateways run:")?;
        let file = file.display().to_string();
        let begin = Instant::now();
        self.show(&self.hub_config, &["apply", "-f", &file]).await?;
        for spoke in [SPOKE, TUNNELLED] {
            let healthz = format!("{GATEWAYS}/{spoke}/proxy/healthz");
            self.wait_for(OPEN_WITHIN, &["get", "--raw", &healthz], |answer| {
                answer == "ok"
            })
            .await?;
        }
        let took = begin.elapsed().as_secs_f32();
        say(&format!("# both clusters can be reached after {took:.1} s"))?;
        let available = |table: &str| table.lines().filter(|row| row.contains("True")).count() == 6;
        let rows = ["get", "managedclusteraddon", "-A", "--no-headers"];
        self.wait_for(AVAILABLE_WITHIN, &rows, available).await
    }

    async fn as_hub_admin(&self) -> anyhow::Result<()> {
        let config = &self.hub_config;
        self.show(config, &["get", "managedclusteraddon", "-A"])
            .await?;
        self.show(config, &["get", "managedserviceaccount", "-A"])
            .await?;
        self.show(config, &["get", "clustergateway"]).await?;
        self.show(config, &["get", "gatewayconfiguration"]).await?;
        for spoke in [SPOKE, TUNNELLED] {
            let healthz = format!("{GATEWAYS}/{spoke}/proxy/healthz");
            let answer = self.show(config, &["get", "--raw", &healthz]).await?;
            anyhow::ensure!(answer == "ok", "healthz of {spoke} answered {answer:?}");
        }
        Ok(())
    }

    /// Waits until kubectl succeeds.
    async fn wait_for(
        &self,
        deadline: Duration,
        args: &[&str],
        is_good: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let asked = || async {
            let answer = self.hub.kubectl(args).ok().await;
            let answer = answer.map_err(|error| error.to_string())?;
            if is_good(&answer) {
                Ok(())
            } else {
                Err(answer)
            }
        };
        Ok(eventually(deadline, &args.join(" "), asked).await?)
    }

    /// Lets the user use the gateway, shows the first refusal, and grants the role that ends it.
    async fn grant(&self, world: &World, spokes: &[(&str, PathBuf)]) -> anyhow::Result<()> {
        say(&format!(
            "\n# The admin lets {USER}, a user of the hub, use the gateway:"
        ))?;
        let user = format!("--user={USER}");
        let bind = [
            "create",
            "clusterrolebinding",
            "alice-uses-the-gateway",
            "--clusterrole=spokeway-user",
            &user,
        ];
        self.show(&self.hub_config, &bind).await?;
        let (spoke, config) = spokes.first().context("there are two clusters")?;
        say(&format!(
            "\n# {USER}, with the hub's kubeconfig and {GATEWAYS}/{spoke}/proxy appended to its server, has no \
             rights there yet:"
        ))?;
        self.refusal(config).await?;
        let file = world.directory().join("alice.yaml");
        fs::write(&file, GRANT)?;
        say(&format!("\n# alice.yaml is an AccessGrant:\n{GRANT}"))?;
        let file = file.display().to_string();
        self.show(&self.hub_config, &["apply", "-f", &file]).await?;
        let ready = ["wait", "--for=condition=Ready", "accessgrant/alice-edits"];
        self.show(&self.hub_config, &ready).await?;
        self.show(&self.hub_config, &["get", "accessgrant"])
            .await
            .map(drop)
    }

    /// Shows that a request is refused.
    async fn refusal(&self, config: &Path) -> anyhow::Result<()> {
        announce(&["get", "ns"])?;
        let refused = || async {
            match self.kubectl(config, &["get", "ns"]).ok().await {
                Ok(answer) => Err(answer),
                Err(error) => {
                    let said = error.to_string();
                    let line = said.lines().find(|line| line.contains("Forbidden"));
                    line.map(str::to_owned).ok_or(said)
                }
            }
        };
        let line = eventually(SEEN_WITHIN, "a refusal", refused).await?;
        print(line.trim_start_matches("stderr: "))
    }

    async fn on_the_managed_cluster(&self, spoke: &str, config: &Path) -> anyhow::Result<()> {
        say(&format!(
            "\n# {USER} on {spoke}, which knows her by her own name:"
        ))?;
        self.show(config, &["auth", "whoami"]).await?;
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
