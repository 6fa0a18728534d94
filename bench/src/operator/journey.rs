//! The operator's calls in minutes in which nothing changes, by the hub's audit log. The hub has
//! real Open Cluster Management, and the clusters' agents run.

use std::time::Duration;

use anyhow::Context as _;
use e2e::{
    Cluster, Gateway, GatewayOptions, Operator, ProcessKubelet, World,
    ocm::{KlusterletOptions, Ocm},
    operator,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::site::{within, writes};
use crate::{
    audit::{Counts, Log, count},
    bars::{self, Bar, Line},
    report::{print, tell},
    statistics::number,
    table::Table,
    usage::{cpu_seconds, memory},
};

const CLUSTERS: [(&str, bool); 2] = [("managed1", false), ("managed2", true)];
/// OCM checks leases every 30 s.
const READY_WITHIN: Duration = Duration::from_mins(3);
/// By then the last effects of settling are over.
const SETTLED: Duration = Duration::from_secs(10);

pub(super) async fn run(quiet: Duration) -> anyhow::Result<()> {
    tell("a hub with two clusters that have agents");
    let world = World::builder().cluster("hub").audited();
    let world = CLUSTERS
        .iter()
        .fold(world, |it, (name, _)| it.cluster(name));
    let world = world.start().await?;
    let hub = world.cluster("hub");
    let ocm = Ocm::start(hub).await?;
    Operator::install(hub).await?;
    let gateway = Gateway::start(hub, GatewayOptions::for_operator()).await?;
    let operator = Operator::start(hub, "operator-1", &[]).await?;
    let mut joined = Vec::new();
    for (name, addon_tokens) in CLUSTERS {
        let options = KlusterletOptions {
            addon_tokens,
            ..KlusterletOptions::default()
        };
        let spoke = world.cluster(name);
        joined.push((
            ocm.join(spoke, options).await?,
            ProcessKubelet::start(spoke)?,
        ));
    }
    let configuration = Operator::configuration(&gateway, &json!({}));
    let apply = hub.kubectl(&["apply", "-f", "-"]);
    apply.stdin(configuration).ok().await?;
    within(READY_WITHIN, || is_ready(hub))
        .await
        .context("clusters are not ready")?;
    sleep(SETTLED).await;

    tell(&format!("nothing changes for {} s", quiet.as_secs()));
    let mut log = Log::open(&hub.audit_log());
    let before = cpu_seconds(operator.process())?;
    sleep(quiet).await;
    let used = cpu_seconds(operator.process())? - before;
    let mut counts = Counts::new();
    count(&log.lines()?, operator::USER, &mut counts)?;
    anyhow::ensure!(
        is_ready(hub).await?.is_some(),
        "clusters are no longer ready"
    );
    let title = format!(
        "calls in {} quiet minutes, two clusters with agents",
        quiet.as_secs() / 60
    );
    let mut table = Table::new(&[title.as_str(), "calls"]);
    for (kind, count) in &counts {
        table.row([kind.clone(), count.to_string()]);
    }
    print(&table.to_string())?;
    let resident = memory(operator.process())?.resident / 1024.0;
    print(&format!(
        "- Operator: {used:.2} s of CPU in that time, {resident:.1} MiB resident.\n"
    ))?;
    let written = number(writes(&counts));
    let bar = Line("hub writes in steady state", Bar::AtMost(0.0), written, 0);
    print(&bars::table([bar]).to_string())
}

async fn is_ready(hub: &Cluster) -> anyhow::Result<Option<()>> {
    let get = hub.kubectl(&["get", "gatewayconfiguration", "default", "-o", "json"]);
    let said: Value = serde_json::from_str(&get.ok().await?)?;
    let all = CLUSTERS.len();
    let clusters = json!({"total": all, "connected": all, "ready": all});
    Ok((said["status"]["clusters"] == clusters).then_some(()))
}
