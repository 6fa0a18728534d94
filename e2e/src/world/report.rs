//! What a failing test gets to see: the ends of the logs that may explain it.

use std::{collections::BTreeMap, fs, ops::Deref, path::PathBuf};

use super::World;
use crate::process::{LogTail, Process};

/// A dead process explains a failure best; of a live one only a few lines are worth reading.
const DEAD_TAIL: usize = 40;
const LIVE_TAIL: usize = 8;

/// A test's hold on the shared World. When the test panics, it prints what the World's processes
/// logged since the test began.
#[derive(Debug)]
pub struct SharedWorld {
    world: &'static World,
    begins: BTreeMap<PathBuf, u64>,
}

impl SharedWorld {
    pub(super) fn new(world: &'static World) -> Self {
        let length = |process: &Process| fs::metadata(process.log()).map_or(0, |log| log.len());
        let begins = world
            .processes()
            .map(|process| (process.log().to_owned(), length(process)))
            .collect();
        Self { world, begins }
    }
}

impl Deref for SharedWorld {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl Drop for SharedWorld {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in self.world.processes() {
                print(
                    process,
                    self.begins.get(process.log()).copied().unwrap_or(0),
                );
            }
        }
    }
}

/// Prints the ends of the logs of `processes`, the dead ones at length.
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
