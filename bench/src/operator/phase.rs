//! A phase of the run: how long it took, what the operator called, and what each process used.

use std::time::Duration;

use e2e::{Process, operator};
use tokio::time::Instant;

use super::site::{Site, writes};
use crate::{
    audit::{Counts, Log, calls, count, watches},
    statistics::number,
    table::{Table, figure},
    usage::cpu_seconds,
};

const PROGRAMS: [&str; 5] = ["operator", "gateway", "API server", "etcd", "conversion"];

/// A phase that has begun.
pub(super) struct Phase {
    begin: Instant,
    cpu: [f64; 5],
}

/// A phase that is over.
pub(super) struct Past {
    took: Duration,
    calls: Counts,
    cpu: [f64; 5],
}

/// All phases that are over.
pub(super) struct Phases {
    clusters: u32,
    past: Vec<(String, Past)>,
}

impl Phase {
    pub(super) fn begin(site: &mut Site) -> anyhow::Result<Self> {
        site.log = Log::open(&site.hub().audit_log());
        Ok(Self {
            cpu: cpu(site)?,
            begin: Instant::now(),
        })
    }

    pub(super) fn end(self, site: &mut Site) -> anyhow::Result<Past> {
        let (took, cpu) = (self.begin.elapsed(), cpu(site)?);
        let mut used = cpu;
        for (used, before) in used.iter_mut().zip(self.cpu) {
            *used -= before;
        }
        let mut calls = Counts::new();
        count(&site.log.lines()?, operator::USER, &mut calls)?;
        Ok(Past {
            took,
            calls,
            cpu: used,
        })
    }

    /// The same, if the operator's process was replaced during the phase.
    pub(super) fn end_of_new(mut self, site: &mut Site) -> anyhow::Result<Past> {
        self.cpu[0] = 0.0;
        self.end(site)
    }
}

impl Phases {
    pub(super) fn new(clusters: u32) -> Self {
        Self {
            clusters,
            past: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, name: &str, past: Past) {
        self.past.push((name.to_owned(), past));
    }

    pub(super) fn tables(&self) -> [Table; 2] {
        [self.phases(), self.calls()]
    }

    fn phases(&self) -> Table {
        let head = ["clusters", "s", "writes", "writes/s", "calls", "watches"];
        let mut head: Vec<_> = head.map(str::to_owned).into();
        head[0] = format!("{} clusters", self.clusters);
        head.extend(PROGRAMS.map(|program| format!("CPU s {program}")));
        let mut table = Table::new(&head);
        for (name, past) in &self.past {
            let (seconds, written) = (past.took.as_secs_f64(), number(writes(&past.calls)));
            let figures = [
                figure(seconds, 1),
                figure(written, 0),
                figure(written / seconds, 0),
                figure(calls(&past.calls), 0),
                figure(watches(&past.calls), 0),
            ];
            let used = past.cpu.map(|seconds| figure(seconds, 2));
            table.row([name.clone()].into_iter().chain(figures).chain(used));
        }
        table
    }

    /// Every kind of call and the total.
    fn calls(&self) -> Table {
        let names = self.past.iter().map(|(name, _)| name.clone());
        let head: Vec<_> = ["calls".to_owned()].into_iter().chain(names).collect();
        let mut table = Table::new(&head);
        let mut kinds: Vec<_> = self
            .past
            .iter()
            .flat_map(|(_, it)| it.calls.keys())
            .collect();
        kinds.sort();
        kinds.dedup();
        for kind in kinds {
            let counted = self.past.iter().map(|(_, past)| {
                let count = past.calls.get(kind).copied().unwrap_or_default();
                count.to_string()
            });
            table.row([kind.clone()].into_iter().chain(counted));
        }
        table
    }
}

/// CPU seconds of each program so far.
fn cpu(site: &Site) -> anyhow::Result<[f64; 5]> {
    let seconds = |process: Option<&Process>| process.map_or(Ok(0.0), cpu_seconds);
    Ok([
        seconds(site.operator().ok().map(e2e::Operator::process))?,
        seconds(Some(site.gateway.process()))?,
        seconds(Some(site.hub().apiserver()))?,
        seconds(Some(site.world.etcd()))?,
        seconds(site.ocm.processes().next())?,
    ])
}
