//! The warm GET: one small answer after the other on open connections.

use std::time::Duration;

use anyhow::Context as _;

use crate::{
    client::Get,
    load::{Extent, closed_loop},
    statistics::Series,
    table::{Table, figure},
    usage::{Costs, Cpu},
    way::{Path, Upstream, Way},
};

/// The number of requests at once.
const STREAMS: [usize; 3] = [1, 16, 64];
/// The largest number of connections that they share.
pub(crate) const CONNECTIONS: usize = 4;
const WARM_UP: Duration = Duration::from_millis(150);

/// Figures of one way under one load.
#[derive(Debug)]
pub(crate) struct Cell<'a> {
    way: Way<'a>,
    streams: usize,
    request: Get,
    /// Milliseconds.
    pub(crate) p50: Series,
    p90: Series,
    p99: Series,
    /// Requests per second.
    pub(crate) rate: Series,
    /// CPU milliseconds per request.
    pub(crate) cpu: Costs,
}

/// All figures of the warm GET.
#[derive(Debug)]
pub(crate) struct Warm<'a>(Vec<Cell<'a>>);

impl<'a> Warm<'a> {
    /// Every way under every load.
    pub(crate) fn new(ways: &[Way<'a>]) -> anyhow::Result<Self> {
        let mut cells = Vec::new();
        for streams in STREAMS {
            for way in ways {
                cells.push(Cell::new(way.clone(), streams)?);
            }
        }
        cells.sort_by_key(|cell| (cell.way.upstream, cell.streams));
        Ok(Self(cells))
    }

    /// One round: every cell runs for `lasting`.
    pub(crate) async fn round(&mut self, lasting: Duration) -> anyhow::Result<()> {
        for cell in &mut self.0 {
            let what = format!("{} at c={}", cell.way.path, cell.streams);
            cell.round(lasting).await.context(what)?;
        }
        Ok(())
    }

    /// One figure of a cell; NaN if there is no such cell.
    pub(crate) fn spoke(&self, path: Path, streams: usize, figure: fn(&Cell<'_>) -> f64) -> f64 {
        self.cell(Upstream::Spoke, path, streams)
            .map_or(f64::NAN, figure)
    }

    /// How many milliseconds later than on another path half of the answers came.
    pub(crate) fn later(&self, path: Path, base: Path, streams: usize) -> f64 {
        let cell = |path| self.cell(Upstream::Spoke, path, streams);
        let cells = cell(path).zip(cell(base));
        cells.map_or(f64::NAN, |(cell, base)| cell.p50.more_than(&base.p50))
    }

    pub(crate) fn cell(&self, upstream: Upstream, path: Path, streams: usize) -> Option<&Cell<'a>> {
        let wanted = (upstream, path, streams);
        let key = |cell: &&Cell<'_>| (cell.way.upstream, cell.way.path, cell.streams) == wanted;
        self.0.iter().find(key)
    }

    pub(crate) fn table(&self) -> Table {
        let roles = Costs::roles(self.0.iter().map(|cell| &cell.cpu));
        let mut head: Vec<_> = [
            "warm GET",
            "path",
            "c",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p50 ÷ direct",
            "req/s",
        ]
        .map(str::to_owned)
        .into();
        head.extend(roles.iter().map(|role| format!("{role} CPU ms/req")));
        let mut table = Table::new(&head);
        for cell in &self.0 {
            let direct = self.cell(cell.way.upstream, Path::Direct, cell.streams);
            let ratio = direct.map_or(f64::NAN, |direct| cell.p50.ratio_to(&direct.p50));
            let figures = [
                cell.way.upstream.to_string(),
                cell.way.path.to_string(),
                cell.streams.to_string(),
                figure(cell.p50.median(), 2),
                figure(cell.p90.median(), 2),
                figure(cell.p99.median(), 2),
                figure(ratio, 2),
                figure(cell.rate.median(), 0),
            ];
            let cpu = roles.iter().map(|&role| figure(cell.cpu.median(role), 3));
            table.row(figures.into_iter().chain(cpu));
        }
        table
    }
}

impl<'a> Cell<'a> {
    fn new(way: Way<'a>, streams: usize) -> anyhow::Result<Self> {
        Ok(Self {
            streams,
            request: way.client.get(way.upstream.small())?,
            way,
            p50: Series::default(),
            p90: Series::default(),
            p99: Series::default(),
            rate: Series::default(),
            cpu: Costs::default(),
        })
    }

    async fn round(&mut self, lasting: Duration) -> anyhow::Result<()> {
        // Connections are opened again in each round, because an API server closes those that are
        // idle for 90 s.
        let connections = self.streams.min(CONNECTIONS);
        let connections = self.way.client.connections(connections).await?;
        let run = |extent| closed_loop(&connections, &self.request, self.streams, extent);
        run(Extent::Lasting(WARM_UP)).await?;
        let before = Cpu::of(&self.way)?;
        let load = run(Extent::Lasting(lasting)).await?;
        self.cpu
            .push(&self.way, &before, 1e3 / load.latencies.count())?;
        self.p50.push(load.latencies.percentile(50));
        self.p90.push(load.latencies.percentile(90));
        self.p99.push(load.latencies.percentile(99));
        self.rate.push(load.per_second());
        Ok(())
    }
}
