//! The warm GET: connections that are open, one small answer after the other.

use std::time::Duration;

use crate::{
    client::{Connection, Get},
    load::{Extent, closed_loop},
    site::{Path, Site, Upstream},
    statistics::Series,
    table::{Table, figure},
};

/// Requests at once.
pub(crate) const STREAMS: [usize; 3] = [1, 16, 64];
/// Connections that they share, at most.
pub(crate) const CONNECTIONS: usize = 4;
const WARM_UP: Duration = Duration::from_millis(150);

/// Figures of one upstream on one path under one load.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) upstream: Upstream,
    pub(crate) path: Path,
    pub(crate) streams: usize,
    connections: Vec<Connection>,
    request: Get,
    /// Milliseconds.
    pub(crate) p50: Series,
    p90: Series,
    p99: Series,
    /// Requests per second.
    pub(crate) rate: Series,
    /// CPU milliseconds per request.
    pub(crate) gateway: Series,
    hub: Series,
    upstream_cpu: Series,
}

/// All figures of the warm GET.
#[derive(Debug)]
pub(crate) struct Warm(Vec<Cell>);

impl Warm {
    /// Opens every connection.
    pub(crate) async fn open(site: &Site) -> anyhow::Result<Self> {
        let mut cells = Vec::new();
        for upstream in Upstream::ALL {
            for streams in STREAMS {
                for path in Path::ALL {
                    cells.push(Cell::open(site, upstream, path, streams).await?);
                }
            }
        }
        Ok(Self(cells))
    }

    /// One round: every cell for `lasting`.
    pub(crate) async fn round(&mut self, site: &Site, lasting: Duration) -> anyhow::Result<()> {
        for cell in &mut self.0 {
            cell.round(site, lasting).await?;
        }
        Ok(())
    }

    /// One cell.
    pub(crate) fn cell(&self, upstream: Upstream, path: Path, streams: usize) -> Option<&Cell> {
        self.0
            .iter()
            .find(|it| (it.upstream, it.path, it.streams) == (upstream, path, streams))
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "warm GET",
            "path",
            "c",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p50 ÷ direct",
            "req/s",
            "gateway CPU ms/req",
            "hub CPU ms/req",
            "upstream CPU ms/req",
        ]);
        for cell in &self.0 {
            let direct = self.cell(cell.upstream, Path::Direct, cell.streams);
            let ratio = direct.map_or(f64::NAN, |direct| cell.p50.ratio_to(&direct.p50));
            table.row([
                cell.upstream.to_string(),
                cell.path.to_string(),
                cell.streams.to_string(),
                figure(cell.p50.median(), 2),
                figure(cell.p90.median(), 2),
                figure(cell.p99.median(), 2),
                figure(ratio, 2),
                figure(cell.rate.median(), 0),
                figure(cell.gateway.median(), 3),
                figure(cell.hub.median(), 3),
                figure(cell.upstream_cpu.median(), 3),
            ]);
        }
        table
    }
}

impl Cell {
    async fn open(
        site: &Site,
        upstream: Upstream,
        path: Path,
        streams: usize,
    ) -> anyhow::Result<Self> {
        let client = site.client(upstream, path)?;
        Ok(Self {
            upstream,
            path,
            streams,
            connections: client.connections(streams.min(CONNECTIONS)).await?,
            request: client.get(upstream.small())?,
            p50: Series::default(),
            p90: Series::default(),
            p99: Series::default(),
            rate: Series::default(),
            gateway: Series::default(),
            hub: Series::default(),
            upstream_cpu: Series::default(),
        })
    }

    async fn round(&mut self, site: &Site, lasting: Duration) -> anyhow::Result<()> {
        let run = |extent| closed_loop(&self.connections, &self.request, self.streams, extent);
        run(Extent::Lasting(WARM_UP)).await?;
        let before = site.cpu(self.upstream)?;
        let load = run(Extent::Lasting(lasting)).await?;
        let cpu = site.cpu(self.upstream)? - before;
        let per_request = 1e3 / load.latencies.count();
        self.p50.push(load.latencies.percentile(50));
        self.p90.push(load.latencies.percentile(90));
        self.p99.push(load.latencies.percentile(99));
        self.rate.push(load.per_second());
        self.gateway.push(cpu.gateway * per_request);
        self.hub.push(cpu.hub * per_request);
        self.upstream_cpu.push(cpu.upstream * per_request);
        Ok(())
    }
}
