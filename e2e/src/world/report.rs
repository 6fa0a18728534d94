//! What a failing test prints: the ends of the logs that may explain the failure.

use std::{fs, ops::Deref};

use super::World;
use crate::process::{LogTail, Process};

/// A dead process explains a failure best. Of a live one only a few lines are useful.
const DEAD_TAIL: usize = 40;
const LIVE_TAIL: usize = 8;

/// A test's guard on the shared World. If the test panics, it prints what the World's processes
/// logged since the test began.
#[derive(Debug)]
pub struct SharedWorld {
    world: &'static World,
    _logs: LogWatch,
}

/// Remembers where the logs end. If it is dropped by a panic, it prints what came after.
#[derive(Debug)]
pub(crate) struct LogWatch(Vec<(&'static Process, u64)>);

impl SharedWorld {
    pub(super) fn new(world: &'static World) -> Self {
        Self {
            world,
            _logs: LogWatch::new(world.processes()),
        }
    }
}

impl Deref for SharedWorld {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl LogWatch {
    pub(crate) fn new(processes: impl Iterator<Item = &'static Process>) -> Self {
        let length = |process: &Process| fs::metadata(process.log()).map_or(0, |log| log.len());
        Self(
            processes
                .map(|process| (process, length(process)))
                .collect(),
        )
    }
}

impl Drop for LogWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for &(process, begin) in &self.0 {
                print(process, begin);
            }
        }
    }
}

/// Prints the ends of the logs of `processes`; those of dead ones are longer.
pub(crate) fn ends_of_logs<'a>(processes: impl Iterator<Item = &'a Process>) {
    for process in processes {
        print(process, 0);
    }
}

#[expect(
    clippy::print_stderr,
    reason = "goes with the output of the test that fails"
)]
fn print(process: &Process, from: u64) {
    let (state, lines) = match process.exited() {
        Some(status) => (format!("ended with {status}"), DEAD_TAIL),
        None => ("runs".to_owned(), LIVE_TAIL),
    };
    let tail = LogTail::read(process.log(), from, lines);
    if !tail.as_str().is_empty() {
        eprintln!("--- {} ({state}):\n{tail}", process.name());
    }
}
