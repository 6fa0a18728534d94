//! The run: starts everything, runs rounds of every workload in turn, and reports.

mod bars;
mod site;

use std::time::Duration;

use tokio::time::Instant;

use self::{bars::Measured, site::Site};
use crate::{
    bulk::Bulk,
    footprint::Footprint,
    machine,
    neighbour::Neighbour,
    plain,
    report::{print, seconds, tell},
    stall::Stall,
    warm::{CONNECTIONS, Warm},
    watches::{self, Watches},
    way::{Path, Upstream, Way},
};

const REQUESTS: usize = 10_000;
/// The size of the stalled download.
const STALLED_BYTES: u64 = 1 << 30;

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
    #[arg(long, default_value_t = 100, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    bulk_mib: u32,
    /// Number of watches
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=800))]
    watches: u16,
    /// Number of events that each watch gets in a round
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    events: u16,
    /// Environment variable for the gateway, such as `TOKIO_WORKER_THREADS=1`, for experiments
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    gateway_env: Vec<(String, String)>,
}

/// Measures and prints the report.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        rounds,
        seconds,
        bulk_mib,
        watches,
        events,
        gateway_env,
    } = args;
    let started = Instant::now();
    let lasting = Duration::from_secs_f64(seconds);
    let load_before = machine::load_average()?;
    tell("starting a hub, a spoke, the gateway and a plain upstream");
    let site = Site::start(gateway_env).await?;
    let ways = site.ways()?;
    let plain = ways.iter().filter(|way| way.upstream == Upstream::Plain);
    let plain: Vec<_> = plain.cloned().collect();
    let mut warm = Warm::new(&ways)?;
    let bytes = u64::from(bulk_mib) << 20;
    let mut bulk = Bulk::new(&plain, &format!("{}{bytes}", plain::BULK), bytes)?;
    let mut neighbour = neighbour(&plain)?;
    for round in 1..=rounds {
        let what = "warm GETs, download, neighbour";
        tell(&format!("round {round} of {rounds}: {what}"));
        warm.round(lasting).await?;
        bulk.round().await?;
        neighbour.round(lasting).await;
    }
    // These restart the gateway, which ends the connections of the others.
    let extent = watches::Extent {
        watches: watches.into(),
        events: events.into(),
    };
    let mut watches = Watches::open(site.spoke(), extent).await?;
    let mut footprint = Footprint::new(REQUESTS);
    for round in 1..=rounds {
        tell(&format!("round {round} of {rounds}: watches, footprint"));
        for way in ways.iter().filter(|way| way.upstream == Upstream::Spoke) {
            site.restart().await?;
            watches.round(way).await?;
        }
        site.restart().await?;
        footprint
            .round(&site.way(Upstream::Spoke, Path::Door)?)
            .await?;
    }
    machine::head(&site.world, started, &load_before, "").await?;
    print(&method(rounds, seconds, bulk_mib))?;
    let measured = Measured {
        warm: &warm,
        bulk: &bulk,
        neighbour: &neighbour,
        watches: &watches,
        footprint: &footprint,
    };
    measured.print()
}

/// Each way, with a stalled download on it.
fn neighbour(ways: &[Way<'_>]) -> anyhow::Result<Neighbour> {
    let mut neighbour = Neighbour::default();
    for way in ways {
        let stalled = format!("{}{STALLED_BYTES}", plain::BULK);
        let stall = Stall::Download(way.client.get(&stalled)?);
        neighbour.add(way, stall)?;
    }
    Ok(neighbour)
}

fn method(rounds: u32, seconds: f64, bulk_mib: u32) -> String {
    format!(
        "- Method: {rounds} interleaved rounds, medians of the rounds; a ratio is the median of the \
         rounds' ratios. Closed loop, {seconds} s each after a warm-up, c streams over \
         min(c, {CONNECTIONS}) HTTP/2 connections that stay open, `Accept-Encoding: identity`. \
         The load generator and everything it measures share the machine, over loopback. \
         CPU is user and system time of one process. The download is {bulk_mib} MiB. \
         At the gateway's own door the caller is an ordinary user whom the front proxy vouches \
         for; at the hub it is the admin.\n"
    )
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
