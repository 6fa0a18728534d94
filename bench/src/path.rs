//! The run: starts two hubs and a spoke, runs rounds of every workload in turn on every way, and
//! reports.

mod bars;
mod idle;
mod recovery;
mod site;

use std::time::Duration;

use tokio::time::Instant;

use self::{bars::Measured, idle::Idle, recovery::Recovery, site::Site};
use crate::{
    bulk::Bulk,
    footprint::Footprint,
    machine,
    neighbour::Neighbour,
    report::{print, seconds, tell},
    stall::Stall,
    warm::{CONNECTIONS, Warm},
    watches::{self, Watches},
    way::{Path, Way},
};

/// How long to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of rounds; the report has the medians of the rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of one warm GET measurement; there are 24 in a round
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Size of the download
    #[arg(long, default_value_t = 105, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=400))]
    bulk_mb: u32,
    /// Number of watches
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=800))]
    watches: u16,
    /// Number of events that each watch gets in a round
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..))]
    events: u16,
    /// Number of requests before the memory of the processes is measured
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(64..))]
    requests: u32,
    /// Number of managed clusters with idle tunnels
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=1000))]
    idle_clusters: u16,
    /// Leave the Go stack out, to measure ours alone. Limits that are multiples of its figures stay
    /// open
    #[arg(long)]
    without_go_stack: bool,
}

/// Measures and prints the report.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let load_before = machine::load_average()?;
    tell("starting two hubs, a spoke, and each stack that is measured");
    let site = Site::start(!args.without_go_stack).await?;
    let ways = site.ways()?;
    let list = site.fill(args.bulk_mb).await?;
    let each = Duration::from_secs_f64(args.seconds);
    let (mut warm, mut bulk, mut neighbour) = lasting(&ways, &list, args.bulk_mb)?;
    for round in 1..=args.rounds {
        let what = "warm GETs, download, neighbour";
        tell(&format!("round {round} of {}: {what}", args.rounds));
        warm.round(each).await?;
        bulk.round().await?;
        neighbour.round(each).await;
    }
    // These restart the stacks, which ends the connections of the others.
    let mut lives = Lives::open(&site, &args).await?;
    for round in 1..=args.rounds {
        let what = "watches, footprint, recovery, idle tunnels";
        tell(&format!("round {round} of {}: {what}", args.rounds));
        lives.round(&site, &ways).await?;
    }
    let Lives {
        watches,
        footprint,
        recovery,
        idle,
    } = lives;
    let go_stack = if args.without_go_stack {
        String::new()
    } else {
        machine::go_stack()
    };
    machine::head(&site.world, started, &load_before, &go_stack).await?;
    print(&method(&args))?;
    let measured = Measured {
        warm: &warm,
        bulk: &bulk,
        neighbour: &neighbour,
        watches: &watches,
        footprint: &footprint,
        recovery: &recovery,
        idle: &idle,
    };
    measured.print()
}

/// The workloads on stacks that have just started.
#[derive(Debug)]
struct Lives {
    watches: Watches,
    footprint: Footprint,
    recovery: Recovery,
    idle: Idle,
}

impl Lives {
    async fn open(site: &Site, args: &Args) -> anyhow::Result<Self> {
        let extent = watches::Extent {
            watches: args.watches.into(),
            events: args.events.into(),
        };
        Ok(Self {
            watches: Watches::open(site.spoke(), extent).await?,
            footprint: Footprint::new(args.requests as usize),
            recovery: Recovery::default(),
            idle: Idle::new(args.idle_clusters.into()),
        })
    }

    async fn round(&mut self, site: &Site, ways: &[Way<'_>]) -> anyhow::Result<()> {
        for way in ways {
            site.restart(way.path).await?;
            self.watches.round(way).await?;
        }
        for way in doors(ways) {
            site.restart(way.path).await?;
            self.footprint.round(way).await?;
            self.recovery.round(way).await?;
        }
        self.idle.round(site).await
    }
}

/// The workloads that need no fresh start.
fn lasting<'a>(
    ways: &[Way<'a>],
    list: &str,
    megabytes: u32,
) -> anyhow::Result<(Warm<'a>, Bulk<'a>, Neighbour)> {
    let warm = Warm::new(ways)?;
    let bulk = Bulk::new(ways, list, u64::from(megabytes) * 1_000_000)?;
    let mut neighbour = Neighbour::default();
    // Each stall costs the Go stack ten seconds per round, so it is measured at its door only.
    for way in ways.iter().filter(|way| way.path != Path::GoHub) {
        let stall = Stall::WebSocket {
            client: way.client.clone(),
            path: format!("{list}&watch=true"),
        };
        neighbour.add(way, stall)?;
    }
    Ok((warm, bulk, neighbour))
}

/// The ways that do not lead through the hubs.
fn doors<'a>(ways: &'a [Way<'a>]) -> impl Iterator<Item = &'a Way<'a>> {
    let door = |way: &&Way<'_>| matches!(way.path, Path::Door | Path::GoDoor);
    ways.iter().filter(door)
}

fn method(args: &Args) -> String {
    let Args {
        rounds,
        seconds,
        bulk_mb,
        watches,
        events,
        requests,
        idle_clusters,
        without_go_stack,
    } = args;
    let left_out = if *without_go_stack {
        " --without-go-stack"
    } else {
        ""
    };
    format!(
        "- Command: `cargo xtask bench path --rounds {rounds} --seconds {seconds} --bulk-mb {bulk_mb} \
         --watches {watches} --events {events} --requests {requests} --idle-clusters \
         {idle_clusters}{left_out}`.\n\
         - Method: {rounds} interleaved rounds, medians of the rounds; a ratio is the median of the \
         rounds' ratios. Closed loop, {seconds} s each after a warm-up, c streams over \
         min(c, {CONNECTIONS}) HTTP/2 connections that stay open for a round, `Accept-Encoding: identity`. \
         The load generator and everything it measures share the machine, over loopback. CPU is user \
         and system time of one process.\n"
    )
}
