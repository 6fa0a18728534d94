//! Requests beside a stream that nobody reads, by the same caller to the same managed cluster.

use std::time::Duration;

use crate::{
    client::{Client, Connection, Get},
    load::{Extent, closed_loop},
    report::tell,
    stall::Stall,
    statistics::{Latencies, Series},
    table::{Table, figure},
    way::{Path, Way},
};

const STREAMS: usize = 4;
/// Beside the stalled stream or alone.
const SLICES: [bool; 8] = [false, true, true, false, false, true, true, false];
const SLICES_OF_A_KIND: u32 = 4;

/// Figures on one way.
#[derive(Debug)]
struct Pair {
    path: Path,
    client: Client,
    request: Get,
    stall: Stall,
    /// Milliseconds.
    alone: Latency,
    beside: Latency,
    /// The number of slices that ended with a failed request, over all rounds.
    failed: usize,
}

/// All figures of requests beside a stalled stream.
#[derive(Debug, Default)]
pub(crate) struct Neighbour(Vec<Pair>);

#[derive(Debug, Default)]
struct Latency {
    p50: Series,
    p99: Series,
    /// Also while the buffers fill, because a path that stops completely does so then.
    worst: Series,
}

/// The results of the slices of one kind in one round.
#[derive(Debug, Default)]
struct Slice {
    latencies: Vec<Duration>,
    /// Milliseconds.
    worst: f64,
}

impl Neighbour {
    /// The way that the requests take.
    pub(crate) fn add(&mut self, way: &Way<'_>, stall: Stall) -> anyhow::Result<()> {
        self.0.push(Pair {
            path: way.path,
            client: way.client.clone(),
            request: way.client.get(way.upstream.small())?,
            stall,
            alone: Latency::default(),
            beside: Latency::default(),
            failed: 0,
        });
        Ok(())
    }

    /// One round: each path without and with the stalled stream.
    pub(crate) async fn round(&mut self, lasting: Duration) {
        for path in &mut self.0 {
            path.round(lasting).await;
        }
    }

    /// How much longer p99 is beside the stalled stream, as a factor.
    pub(crate) fn p99_ratio(&self, path: Path) -> f64 {
        let found = self.0.iter().find(|beside| beside.path == path);
        found.map_or(f64::NAN, |it| it.beside.p99.ratio_to(&it.alone.p99))
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "neighbour",
            "p50 ms alone",
            "p50 ms beside",
            "p99 ms alone",
            "p99 ms beside",
            "p99 ÷ alone",
            "worst ms alone",
            "worst ms beside",
            "failed slices",
        ]);
        for it in &self.0 {
            table.row([
                it.path.to_string(),
                figure(it.alone.p50.median(), 2),
                figure(it.beside.p50.median(), 2),
                figure(it.alone.p99.median(), 2),
                figure(it.beside.p99.median(), 2),
                figure(it.beside.p99.ratio_to(&it.alone.p99), 2),
                figure(it.alone.worst.median(), 1),
                figure(it.beside.worst.median(), 1),
                it.failed.to_string(),
            ]);
        }
        table
    }
}

impl Pair {
    /// Alternates in short slices, in an order that cancels drift. All samples of a kind are
    /// evaluated together, because a p99 needs more of them than a slice has.
    async fn round(&mut self, lasting: Duration) {
        let (mut alone, mut beside) = (Slice::default(), Slice::default());
        let mut connection = None;
        for stalled in SLICES {
            let into = if stalled { &mut beside } else { &mut alone };
            let lasting = lasting / SLICES_OF_A_KIND;
            let slice = async {
                let connection = match &mut connection {
                    Some(open) => open,
                    none => none.insert(self.client.connect().await?),
                };
                self.slice(connection, into, stalled, lasting).await
            };
            if let Err(error) = slice.await {
                tell(&format!("neighbour, {}: {error:#}", self.path));
                self.failed += 1;
            }
        }
        self.alone.push(alone);
        self.beside.push(beside);
    }

    async fn slice(
        &self,
        connection: &Connection,
        into: &mut Slice,
        stall: bool,
        lasting: Duration,
    ) -> anyhow::Result<()> {
        let connections = std::slice::from_ref(connection);
        let run = |extent| closed_loop(connections, &self.request, STREAMS, extent);
        let stalled = if stall {
            Some(self.stall.begin(connection).await?)
        } else {
            None
        };
        let filling = run(Extent::Lasting(self.stall.fills_within())).await?;
        let load = run(Extent::Lasting(lasting)).await?;
        drop(stalled);
        into.worst = into.worst.max(filling.latencies.percentile(100));
        into.latencies.extend(load.latencies.into_inner());
        Ok(())
    }
}

impl Latency {
    fn push(&mut self, seen: Slice) {
        let latencies = Latencies::new(seen.latencies);
        self.p50.push(latencies.percentile(50));
        self.p99.push(latencies.percentile(99));
        self.worst.push(seen.worst.max(latencies.percentile(100)));
    }
}
