//! What the person who waits is told, and the clock for it.

use std::{io::Write as _, time::Instant};

/// Tells one line.
pub(crate) fn tell(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "==> {line}")?)
}

/// The time, only to say how long something took.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: only for the person who waits"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
