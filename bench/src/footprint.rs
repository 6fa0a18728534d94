//! What the processes of a stack hold: just started, in use, after thousands of requests, and after
//! the callers have left.

use std::time::Duration;

use e2e::Process;
use tokio::time::sleep;

use crate::{
    load::{Extent, closed_loop},
    statistics::{Series, number},
    table::{Table, figure},
    usage::{memory, open_files},
    warm::CONNECTIONS,
    way::{Path, Role, Way},
};

const STREAMS: usize = 64;
/// What is still held this long after the callers left counts as kept.
const GONE: Duration = Duration::from_secs(5);

/// When to measure, in the order of a process's life.
const MOMENTS: [&str; 4] = [
    "idle, just started",
    "after 64 requests, connections open",
    "after all requests, connections open",
    "5 s after the connections closed",
];
const IDLE: usize = 0;
const USED: usize = 1;
const AFTER: usize = 2;

/// Figures of one process at each moment.
#[derive(Debug)]
struct Life {
    path: Path,
    role: Role,
    moments: [Held; MOMENTS.len()],
}

/// What a process holds at one moment.
#[derive(Debug, Default)]
struct Held {
    /// MiB.
    resident: Series,
    anonymous: Series,
    open_files: Series,
}

/// All figures of what is held.
#[derive(Debug)]
pub(crate) struct Footprint {
    requests: usize,
    lives: Vec<Life>,
}

impl Footprint {
    pub(crate) fn new(requests: usize) -> Self {
        Self {
            requests,
            lives: Vec::new(),
        }
    }

    /// One run of a stack that has just started.
    pub(crate) async fn round(&mut self, way: &Way<'_>) -> anyhow::Result<()> {
        let mut moments = 0..MOMENTS.len();
        let mut look = |this: &mut Self| {
            let moment = moments.next().unwrap_or(IDLE);
            this.look(way, moment)
        };
        look(self)?;
        let connections = way.client.connections(CONNECTIONS).await?;
        let request = way.client.get(way.upstream.small())?;
        for requests in [STREAMS, self.requests] {
            let extent = Extent::Requests(requests);
            closed_loop(&connections, &request, STREAMS, extent).await?;
            look(self)?;
        }
        drop(connections);
        sleep(GONE).await;
        look(self)
    }

    fn look(&mut self, way: &Way<'_>, moment: usize) -> anyhow::Result<()> {
        for (role, process) in way.own() {
            self.of(way.path, role).moments[moment].look(process)?;
        }
        Ok(())
    }

    fn of(&mut self, path: Path, role: Role) -> &mut Life {
        let key = |life: &Life| (life.path, life.role) == (path, role);
        let index = self.lives.iter().position(key).unwrap_or_else(|| {
            self.lives.push(Life {
                path,
                role,
                moments: Default::default(),
            });
            self.lives.len() - 1
        });
        &mut self.lives[index]
    }

    /// The MiB that the requests added to a process while their connections are open.
    pub(crate) fn grown(&self, path: Path, role: Role) -> f64 {
        let resident = |life: &Life, at: usize| life.moments[at].resident.median();
        self.figure(path, role, |life| {
            resident(life, AFTER) - resident(life, IDLE)
        })
    }

    /// The open files that all requests added to those of the first few.
    pub(crate) fn more_files(&self, path: Path, role: Role) -> f64 {
        let files = |life: &Life, at: usize| life.moments[at].open_files.median();
        self.figure(path, role, |life| files(life, AFTER) - files(life, USED))
    }

    /// Resident MiB after all requests.
    pub(crate) fn resident(&self, path: Path, role: Role) -> f64 {
        self.figure(path, role, |life| life.moments[AFTER].resident.median())
    }

    fn figure(&self, path: Path, role: Role, figure: impl FnOnce(&Life) -> f64) -> f64 {
        let key = |life: &&Life| (life.path, life.role) == (path, role);
        self.lives.iter().find(key).map_or(f64::NAN, figure)
    }

    pub(crate) fn table(&self) -> Table {
        let title = format!("{} requests", self.requests);
        let mut table = Table::new(&[
            &title,
            "moment",
            "resident MiB",
            "anonymous MiB",
            "open files",
        ]);
        for life in &self.lives {
            for (moment, held) in MOMENTS.iter().zip(&life.moments) {
                table.row([
                    format!("{} {}", life.path.stack(), life.role),
                    (*moment).to_owned(),
                    figure(held.resident.median(), 1),
                    figure(held.anonymous.median(), 1),
                    figure(held.open_files.median(), 0),
                ]);
            }
        }
        table
    }
}

impl Held {
    fn look(&mut self, process: &Process) -> anyhow::Result<()> {
        let held = memory(process)?;
        self.resident.push(held.resident / 1024.0);
        self.anonymous.push(held.anonymous / 1024.0);
        self.open_files.push(number(open_files(process)? as u64));
        Ok(())
    }
}
