//! What the requests of one user cost another one: GETs of an ordinary user, alone and beside the
//! lists of a noisy one. The managed cluster is a stub that works on so many requests at a time as
//! kube-apiserver does and lets the others wait in order, so that only what the gateway does about
//! that is measured. A second gateway without limits shows what would be without it.

mod noise;
mod site;

use std::time::Duration;

use tokio::time::Instant;

use self::{noise::Noise, site::Site};
use crate::{
    bars::{self, Bar::AtMost, Line},
    client::{Client, Get},
    load::{Extent, closed_loop},
    machine, plain,
    report::{print, seconds, tell},
    statistics::{Latencies, Series},
    table::{Table, figure},
};

/// The GETs at once.
const STREAMS: usize = 4;
/// Beside the lists or alone, in an order that cancels drift.
const SLICES: [bool; 4] = [false, true, true, false];
const WARM_UP: Duration = Duration::from_millis(300);

/// How long to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of rounds; the report has the medians of the rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of one measurement; there are 16 in a round
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Number of lists that the noisy user sends at once
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=900))]
    lists: u16,
    /// Milliseconds that one of them takes
    #[arg(long, default_value_t = 500)]
    list_ms: u32,
}

/// The cluster that the GETs are for, and the gateway that they go through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Case {
    /// The cluster of the lists, too.
    is_same: bool,
    has_limits: bool,
}

/// The figures of one case.
#[derive(Debug)]
struct Figures {
    case: Case,
    quiet: Client,
    get: Get,
    noise: Noise,
    /// Milliseconds.
    alone: Latency,
    beside: Latency,
    /// Lists that were answered, and that were refused, in a second.
    answered: Series,
    refused: Series,
}

#[derive(Debug, Default)]
struct Latency {
    p50: Series,
    p99: Series,
}

/// Measures and prints the report.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        rounds,
        seconds,
        lists,
        list_ms,
    } = args;
    let started = Instant::now();
    let lasting = Duration::from_secs_f64(seconds);
    let load_before = machine::load_average()?;
    tell("starting a hub, two gateways and two stubs of managed clusters");
    let site = Site::start().await?;
    let all = Case::ALL.map(|case| Figures::new(&site, case, lists.into(), list_ms));
    let mut all = all.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    for round in 1..=rounds {
        tell(&format!("round {round} of {rounds}"));
        for figures in &mut all {
            figures.round(lasting).await?;
        }
    }
    machine::head(&site.world, started, &load_before, "").await?;
    print(&format!(
        "- Command: `cargo xtask bench fairness --rounds {rounds} --seconds {seconds} --lists {lists} \
         --list-ms {list_ms}`."
    ))?;
    print(&format!(
        "- Method: {rounds} rounds, medians of the rounds; a ratio is the median of the rounds' ratios. \
         {STREAMS} GETs at a time in a closed loop, {seconds} s in each of {} slices, alone and beside \
         {lists} lists at a time in a closed loop, each of which takes {list_ms} ms. A managed cluster \
         works on {} requests at a time. Everything shares the machine, over loopback.\n",
        SLICES.len(),
        plain::PLACES,
    ))?;
    print(&table(&all).to_string())?;
    print(&bars::table(lines(&all)).to_string())
}

impl Case {
    const ALL: [Self; 4] = [
        Self::of(true, true),
        Self::of(false, true),
        Self::of(true, false),
        Self::of(false, false),
    ];

    const fn of(is_same: bool, has_limits: bool) -> Self {
        Self {
            is_same,
            has_limits,
        }
    }

    fn name(self) -> &'static str {
        match (self.is_same, self.has_limits) {
            (true, true) => "same cluster",
            (false, true) => "another cluster",
            (true, false) => "same cluster, no limits",
            (false, false) => "another cluster, no limits",
        }
    }
}

impl Figures {
    fn new(site: &Site, case: Case, lists: usize, list_ms: u32) -> anyhow::Result<Self> {
        let quiet = site.quiet(case)?;
        Ok(Self {
            case,
            get: quiet.get(&format!("{}0", plain::LIMITED))?,
            quiet,
            noise: Noise::new(site.noisy(case)?, lists, list_ms)?,
            alone: Latency::default(),
            beside: Latency::default(),
            answered: Series::default(),
            refused: Series::default(),
        })
    }

    async fn round(&mut self, lasting: Duration) -> anyhow::Result<()> {
        let connections = self.quiet.connections(1).await?;
        let run = |extent| closed_loop(&connections, &self.get, STREAMS, extent);
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for is_beside in SLICES {
            let noise = if is_beside {
                Some(self.noise.begin().await?)
            } else {
                None
            };
            run(Extent::Lasting(WARM_UP)).await?;
            let before = noise.as_ref().map(noise::Running::heard);
            let load = run(Extent::Lasting(lasting)).await?;
            let into = if is_beside { &mut beside } else { &mut alone };
            let elapsed = load.elapsed.as_secs_f64();
            into.extend(load.latencies.into_inner());
            if let Some((noise, before)) = noise.zip(before) {
                let heard = noise.end().await?;
                self.answered
                    .push((heard.answered - before.answered) / elapsed);
                self.refused
                    .push((heard.refused - before.refused) / elapsed);
            }
        }
        self.alone.push(alone);
        self.beside.push(beside);
        Ok(())
    }

    fn ratio(&self) -> f64 {
        self.beside.p99.ratio_to(&self.alone.p99)
    }
}

impl Latency {
    fn push(&mut self, latencies: Vec<Duration>) {
        let latencies = Latencies::new(latencies);
        self.p50.push(latencies.percentile(50));
        self.p99.push(latencies.percentile(99));
    }
}

fn table(all: &[Figures]) -> Table {
    let mut table = Table::new(&[
        "GETs",
        "p50 ms alone",
        "p50 ms beside",
        "p99 ms alone",
        "p99 ms beside",
        "p99 ÷ alone",
        "lists/s",
        "refused/s",
    ]);
    for it in all {
        table.row([
            it.case.name().to_owned(),
            figure(it.alone.p50.median(), 2),
            figure(it.beside.p50.median(), 2),
            figure(it.alone.p99.median(), 2),
            figure(it.beside.p99.median(), 2),
            figure(it.ratio(), 2),
            figure(it.answered.median(), 0),
            figure(it.refused.median(), 0),
        ]);
    }
    table
}

/// On another cluster there is nothing to share but the machine, whose noise is a tenth.
fn lines(all: &[Figures]) -> Vec<Line> {
    let ratio = |case| {
        let found = all.iter().find(|it| it.case == case);
        found.map_or(f64::NAN, Figures::ratio)
    };
    vec![
        Line(
            "p99 beside ÷ alone, same cluster",
            AtMost(1.2),
            ratio(Case::of(true, true)),
            2,
        ),
        Line(
            "p99 beside ÷ alone, another cluster",
            AtMost(1.1),
            ratio(Case::of(false, true)),
            2,
        ),
    ]
}
