//! The run: everything up, rounds of every workload in turn, and the report.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    bars::Measured,
    bulk::Bulk,
    footprint::Footprint,
    machine,
    neighbour::Neighbour,
    print,
    site::Site,
    tell,
    warm::{CONNECTIONS, Warm},
    watches::Watches,
};

/// How long to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often everything is measured; medians of the rounds are reported
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
    /// A variable of the gateway's environment, such as `TOKIO_WORKER_THREADS=1`, to try something
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
        gateway_env,
    } = args;
    let started = Instant::now();
    let lasting = Duration::from_secs_f64(seconds);
    let load_before = machine::load_average()?;
    tell("starting a hub, a spoke, the gateway and a plain upstream");
    let site = Site::start(gateway_env).await?;
    let mut warm = Warm::open(&site).await?;
    let mut bulk = Bulk::open(&site, bulk_mib).await?;
    let mut neighbour = Neighbour::open(&site).await?;
    for round in 1..=rounds {
        tell(&format!(
            "round {round} of {rounds}: warm GETs, download, neighbour"
        ));
        warm.round(&site, lasting).await?;
        bulk.round(&site).await?;
        neighbour.round(lasting).await?;
    }
    // These restart the gateway, which ends the connections of the others.
    let mut watches = Watches::open(&site, watches.into()).await?;
    let mut footprint = Footprint::new();
    for round in 1..=rounds {
        tell(&format!("round {round} of {rounds}: watches, footprint"));
        watches.round(&site).await?;
        footprint.round(&site).await?;
    }
    print(&format!("- Machine: {}.", machine::machine()?))?;
    print(&format!(
        "- Versions: {}.",
        machine::versions(&site.world).await?
    ))?;
    print(&method(rounds, seconds, bulk_mib))?;
    print(&format!(
        "- Load average of the last minute before the run: {load_before}; the run took {:.0} s.\n",
        started.elapsed().as_secs_f64()
    ))?;
    let tables = [
        warm.table(),
        bulk.table(),
        watches.table(),
        footprint.table(),
        neighbour.table(),
    ];
    for table in tables {
        print(&table.to_string())?;
    }
    let measured = Measured {
        warm: &warm,
        bulk: &bulk,
        neighbour: &neighbour,
        watches: &watches,
        footprint: &footprint,
    };
    print(measured.table().to_string().trim_end())
}

fn method(rounds: u32, seconds: f64, bulk_mib: u32) -> String {
    format!(
        "- Method: {rounds} interleaved rounds, medians of the rounds; a ratio is the median of the \
         rounds' ratios. Closed loop, {seconds} s each after a warm-up, c streams over \
         min(c, {CONNECTIONS}) HTTP/2 connections that stay open, `Accept-Encoding: identity`. \
         The load generator and everything it measures share the machine, over loopback. \
         CPU is user and system time of one process. The download is {bulk_mib} MiB. \
         At the gateway's own door the caller is an ordinary user whom the front proxy vouches \
         for; at the hub it is the admin."
    )
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.05 to 60".to_owned()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
