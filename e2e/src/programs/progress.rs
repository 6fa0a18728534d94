//! Runs a long command and reports every few seconds that it is still running.

use std::{
    io,
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::host;

const TELL_EVERY: Duration = Duration::from_secs(15);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Runs `command` to its end. Its output goes where ours goes.
pub(super) fn run(what: &str, command: &mut Command) -> io::Result<ExitStatus> {
    let begin = Instant::now();
    host::tell(&format!("{what} …"));
    let mut child = command.spawn()?;
    let mut told = begin;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            host::tell(&format!("{what} … {} s", begin.elapsed().as_secs()));
        }
        thread::sleep(POLL_EVERY);
    };
    let verdict = if status.success() {
        "done in"
    } else {
        "failed after"
    };
    host::tell(&format!(
        "{what}: {verdict} {} s",
        begin.elapsed().as_secs()
    ));
    Ok(status)
}
