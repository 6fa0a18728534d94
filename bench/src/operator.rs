//! The run: a hub has thousands of accepted clusters and one configuration. The cost for the
//! operator and the hub is measured, also over ten minutes in which nothing changes.

mod baseline;
mod journey;
mod phase;
mod site;

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use self::{
    baseline::Baseline,
    phase::{Phase, Phases},
    site::Site,
};
use crate::{
    machine,
    report::{print, tell},
    statistics::number,
    table::{Table, figure},
    usage::{self, Memory},
};

/// How much to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of clusters that the hub has accepted
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=5000))]
    clusters: u32,
    /// Seconds to measure in which nothing changes
    #[arg(long, default_value_t = 60)]
    quiet: u64,
    /// Minutes to measure, after the rest, in which nothing changes on a hub whose clusters have
    /// agents. 0 leaves this part out. Other work on the machine does not affect it
    #[arg(long, default_value_t = 0)]
    journey: u64,
}

/// An operator that has written nothing for this long has settled.
const SETTLED: Duration = Duration::from_secs(5);

/// Measures and prints the report.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let load_before = machine::load_average()?;
    if args.clusters > 0 {
        scale(&args, started, &load_before).await?;
    }
    if args.journey > 0 {
        journey::run(Duration::from_secs(args.journey * 60)).await?;
    }
    Ok(())
}

async fn scale(args: &Args, started: Instant, load_before: &str) -> anyhow::Result<()> {
    let clusters = args.clusters;
    tell(&format!("a hub with {clusters} accepted clusters"));
    let mut site = Site::start(clusters).await?;
    tell("what the API server can write");
    let baseline = Baseline::measure(&site).await?;
    let mut phases = Phases::new(clusters);

    tell("one configuration");
    let at_start = converge(&mut site, &mut phases).await?;
    let settled = usage::memory(site.operator()?.process())?;

    tell("quiet");
    let begin = Phase::begin(&mut site)?;
    sleep(Duration::from_secs(args.quiet)).await;
    let quiet = format!("{} quiet seconds", args.quiet);
    phases.push(&quiet, begin.end(&mut site)?);

    tell("the operator is started again");
    let begin = Phase::begin(&mut site)?;
    let (ready, planned) = site.restart_operator(clusters).await?;
    phases.push("a start of the operator", begin.end_of_new(&mut site)?);
    let restarted = usage::memory(site.operator()?.process())?;

    tell("every cluster's agent gets another argument");
    change(&mut site, &mut phases).await?;

    machine::head(&site.world, started, load_before, "").await?;
    print(&method(args))?;
    print(&baseline.table().to_string())?;
    for table in phases.tables() {
        print(&table.to_string())?;
    }
    let memories = [
        ("ready, before there was a configuration", at_start),
        ("every cluster settled", settled),
        ("started again, every cluster there", restarted),
    ];
    print(&memory_table(clusters, memories).to_string())?;
    print(&format!(
        "- A start with every cluster there: ready after {:.2} s, every cluster planned after {:.2} s.",
        ready.as_secs_f64(),
        planned.as_secs_f64(),
    ))
}

/// From a configuration to everything that clusters without agents get. Returns what the operator
/// held before.
async fn converge(site: &mut Site, phases: &mut Phases) -> anyhow::Result<Memory> {
    let at_start = site.start_operator().await?;
    let begin = Phase::begin(site)?;
    site.configure(&json!({})).await?;
    site.have_works().await?;
    phases.push("every cluster has its work", begin.end(site)?);
    site.verify().await?;
    let begin = Phase::begin(site)?;
    site.is_settled(SETTLED).await?;
    phases.push("until nothing is written", begin.end(site)?);
    site.are_in_trouble().await?;
    site.is_settled(SETTLED).await?;
    Ok(at_start)
}

/// Changes an argument of every agent.
async fn change(site: &mut Site, phases: &mut Phases) -> anyhow::Result<()> {
    let begin = Phase::begin(site)?;
    let services = [json!({"namespace": "monitoring", "name": "prometheus", "port": 9090})];
    let change = json!({"egress": {"exposedServices": services}});
    site.configure(&change).await?;
    site.works_are_patched().await?;
    phases.push("a change for every cluster", begin.end(site)?);
    Ok(())
}

fn memory_table(clusters: u32, memories: [(&str, Memory); 3]) -> Table {
    let head = [
        "memory of the operator",
        "resident MiB",
        "at most",
        "heap MiB",
        "heap KiB/cluster",
    ];
    let mut table = Table::new(&head);
    for (when, memory) in memories {
        table.row([
            when.to_owned(),
            figure(memory.resident / 1024.0, 1),
            figure(memory.peak / 1024.0, 1),
            figure(memory.anonymous / 1024.0, 1),
            figure(memory.anonymous / number(clusters.into()), 1),
        ]);
    }
    table
}

fn method(args: &Args) -> String {
    let Args {
        clusters,
        quiet,
        journey,
    } = args;
    let journey = if *journey > 0 {
        format!(" --journey {journey}")
    } else {
        String::new()
    };
    format!(
        "- Command: `cargo xtask bench operator --clusters {clusters} --quiet {quiet}{journey}`.\n"
    )
}
