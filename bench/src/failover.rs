//! The run: several gateways answer as one for clusters behind tunnels. Callers at both entrances
//! continue to call while one gateway after the other is lost and comes back.

mod calls;
mod event;
mod failure;
mod journal;
mod load;
mod report;
mod scan;
mod site;
mod spread;
mod streams;

use std::time::Duration;

use clap::ValueEnum as _;
use tokio::time::{Instant, sleep};

use self::{
    event::{Event, MOST, busiest},
    load::{Load, Numbers},
    report::Past,
    site::Site,
};
use crate::{
    machine,
    report::{print, tell},
};

/// How much to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of clusters, each with an agent of its own
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    clusters: u16,
    /// Number of gateways
    #[arg(long, default_value_t = 2, value_parser = replicas)]
    replicas: usize,
    /// Seconds to measure after each event, and before the first one
    #[arg(long, default_value_t = 10.0, value_parser = crate::report::seconds)]
    seconds: f64,
    /// Number of callers in a closed loop at each of the two entrances
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    callers: u16,
    /// Number of watches at each entrance
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(..=500))]
    watches: u16,
    /// Number of watches over WebSocket at each entrance, on upgraded connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(..=100))]
    upgrades: u16,
    /// --shutdown-delay of the gateways; the default is the operator's
    #[arg(long, default_value_t = 8, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=10))]
    shutdown_delay: u64,
    /// --drain-timeout of the gateways. A drain lasts this long if streams are open
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=15))]
    drain_timeout: u64,
    /// Event to measure. Can be repeated; all events are measured if it is not given
    #[arg(long, value_enum, value_name = "EVENT")]
    event: Vec<Event>,
}

/// How long callers have to start.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long each cluster must have had a tunnel to each replica before it counts.
const STABLE: Duration = Duration::from_secs(2);
/// How long to wait for that after an event.
const SPREAD_WITHIN: Duration = Duration::from_secs(45);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Measures and prints the report.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let load_before = machine::load_average()?;
    let (replicas, clusters) = (args.replicas, args.clusters);
    tell(&format!(
        "{replicas} gateways, {clusters} clusters and their agents"
    ));
    let mut site = Site::start(&args).await?;
    let numbers = args.numbers();
    let mut past = Vec::new();
    for &event in args.events() {
        tell(&event.to_string());
        // Callers start afresh, so that connections are spread over all gateways again.
        let mut load = Load::begin(&site, numbers);
        sleep(WARM_UP).await;
        past.push(measure(event, &mut site, &load, args.after()).await?);
        load.goes_on()?;
    }
    machine::head(&site.world, started, &load_before, "").await?;
    print(&method(&args))?;
    report::tables(&past, numbers)
}

/// One event, and the time after it until each cluster has a tunnel to each replica again.
async fn measure(
    event: Event,
    site: &mut Site,
    load: &Load,
    after: Duration,
) -> anyhow::Result<Past> {
    let victim = busiest(site).await?;
    let begin = load.forget();
    event.happen(victim, site).await?;
    let back = Instant::now();
    let is_over = |now: Instant| {
        let since = load.standing.lock().all.since;
        let is_stable = since.is_some_and(|since| now >= since + STABLE);
        now >= back + after && is_stable || now >= back + after.max(SPREAD_WITHIN)
    };
    while !is_over(Instant::now()) {
        sleep(LOOK_EVERY).await;
    }
    Ok(Past {
        event,
        begin,
        back,
        end: Instant::now(),
        entries: load.journal.take(),
        standing: *load.standing.lock(),
    })
}

impl Args {
    fn numbers(&self) -> Numbers {
        Numbers {
            callers: self.callers.into(),
            watches: self.watches.into(),
            upgrades: self.upgrades.into(),
        }
    }

    fn after(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The events to measure.
    fn events(&self) -> &[Event] {
        if self.event.is_empty() {
            Event::value_variants()
        } else {
            &self.event
        }
    }
}

fn replicas(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(replicas) if (2..=MOST).contains(&replicas) => Ok(replicas),
        _ => Err(format!("a number from 2 to {MOST}")),
    }
}

fn method(args: &Args) -> String {
    let Args {
        clusters,
        replicas,
        seconds,
        callers,
        watches,
        upgrades,
        shutdown_delay,
        drain_timeout,
        event,
    } = args;
    let events = event
        .iter()
        .fold(String::new(), |flags, it| format!("{flags} --event {it}"));
    format!(
        "- Command: `cargo xtask bench failover --clusters {clusters} --replicas {replicas} --seconds \
         {seconds} --callers {callers} --watches {watches} --upgrades {upgrades} --shutdown-delay \
         {shutdown_delay} --drain-timeout {drain_timeout}{events}`.\n\
         - Method: {replicas} gateways behind a stand-in for a Service that picks one at random for each \
         connection; {clusters} clusters, which are one API server under {clusters} names, each with an \
         agent of its own that attaches through the hub's API server. At each entrance (the hub's API \
         server, and the Service itself) {callers} callers in a closed loop with a pause of 20 ms, each \
         on a connection of its own, one cluster after the other; they give up after 10 s and send again \
         only what was provably not begun. One more caller goes past the gateways (direct): what is slow there \
         is the machine. {watches} watches and {upgrades} watches over WebSocket at \
         each entrance, of an object that changes twice a second; they begin again where they ended. It \
         happens to the gateway that proxies most. A gap is the longest time without an answer; latencies \
         are of requests that were sent after the event began and answered. Everything shares the \
         machine, over loopback.\n"
    )
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn args(flags: &[&str]) -> Args {
        Cli::parse_from([&["failover"], flags].concat()).args
    }

    #[test]
    fn all_events_happen_unless_some_are_chosen() {
        Cli::command().debug_assert();
        assert_eq!(args(&[]).events(), Event::value_variants());
        let chosen = args(&["--event", "killed", "--event", "scaled"]);
        assert_eq!(chosen.events(), [Event::Killed, Event::Scaled]);
    }

    #[test]
    fn one_gateway_is_not_several() {
        assert_eq!((replicas("2"), replicas("3")), (Ok(2), Ok(3)));
        assert!(replicas("1").is_err() && replicas("4").is_err() && replicas("").is_err());
    }
}
