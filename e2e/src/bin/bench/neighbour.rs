//! A download that nobody reads, and what it does to the requests beside it: same caller, same
//! connection, same managed cluster, so that every window they could share they do share.

use std::time::Duration;

use crate::{
    client::{Connection, Get},
    load::{Extent, closed_loop},
    plain,
    site::{Path, Site, Upstream},
    statistics::{Latencies, Series},
    table::{Table, figure},
};

const STREAMS: usize = 4;
const STALLED_BYTES: u64 = 1 << 30;
const WARM_UP: Duration = Duration::from_millis(100);
/// With the download or without it.
const SLICES: [bool; 8] = [false, true, true, false, false, true, true, false];
const SLICES_OF_A_KIND: u32 = 4;

/// Figures on one path.
#[derive(Debug)]
pub(crate) struct Pair {
    path: Path,
    connection: Connection,
    request: Get,
    download: Get,
    /// Milliseconds.
    alone: Latency,
    beside: Latency,
}

/// All figures of the neighbour.
#[derive(Debug)]
pub(crate) struct Neighbour(Vec<Pair>);

#[derive(Debug, Default)]
struct Latency {
    p50: Series,
    p99: Series,
}

impl Neighbour {
    pub(crate) async fn open(site: &Site) -> anyhow::Result<Self> {
        let mut paths = Vec::new();
        for path in Path::ALL {
            let client = site.client(Upstream::Plain, path)?;
            paths.push(Pair {
                path,
                connection: client.connect().await?,
                request: client.get(plain::SMALL)?,
                download: client.get(&format!("{}{STALLED_BYTES}", plain::BULK))?,
                alone: Latency::default(),
                beside: Latency::default(),
            });
        }
        Ok(Self(paths))
    }

    /// One round: each path without and with the download.
    pub(crate) async fn round(&mut self, lasting: Duration) -> anyhow::Result<()> {
        for path in &mut self.0 {
            path.round(lasting).await?;
        }
        Ok(())
    }

    /// How much longer p99 is beside the download, as a factor.
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
        ]);
        for it in &self.0 {
            table.row([
                it.path.to_string(),
                figure(it.alone.p50.median(), 2),
                figure(it.beside.p50.median(), 2),
                figure(it.alone.p99.median(), 2),
                figure(it.beside.p99.median(), 2),
                figure(it.beside.p99.ratio_to(&it.alone.p99), 2),
            ]);
        }
        table
    }
}

impl Pair {
    /// Alternates in short slices, in an order that cancels drift, and looks at all samples of a
    /// kind together: one p99 needs more of them than a slice has.
    async fn round(&mut self, lasting: Duration) -> anyhow::Result<()> {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for stalled in SLICES {
            let slice = self.slice(stalled, lasting / SLICES_OF_A_KIND).await?;
            if stalled { &mut beside } else { &mut alone }.extend(slice);
        }
        self.alone.push(&Latencies::new(alone));
        self.beside.push(&Latencies::new(beside));
        Ok(())
    }

    async fn slice(&self, stalled: bool, lasting: Duration) -> anyhow::Result<Vec<Duration>> {
        let connection = std::slice::from_ref(&self.connection);
        let run = |extent| closed_loop(connection, &self.request, STREAMS, extent);
        let download = if stalled {
            // Held and never polled: the window fills, and everything behind it stops.
            Some(self.connection.sender().send(&self.download).await?)
        } else {
            None
        };
        // The windows fill meanwhile, which is work like any other.
        run(Extent::Lasting(WARM_UP)).await?;
        let load = run(Extent::Lasting(lasting)).await?;
        drop(download);
        Ok(load.latencies.into_inner())
    }
}

impl Latency {
    fn push(&mut self, seen: &Latencies) {
        self.p50.push(seen.percentile(50));
        self.p99.push(seen.percentile(99));
    }
}
