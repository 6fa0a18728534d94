//! Messages to the developer, and the clock for them.

use std::{io::Write as _, time::Instant};

/// Prints one line.
pub(crate) fn tell(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "==> {line}")?)
}

/// The time, used only to report how long something took.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: only for the person who waits"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
