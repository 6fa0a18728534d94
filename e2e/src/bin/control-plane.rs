//! Builds the control plane's programs that are missing and says where each one is.

use std::io::Write as _;

use anyhow::Context as _;
use e2e::programs::{self, Programs};

fn main() -> anyhow::Result<()> {
    let programs = Programs::ensure(programs::ALL).context("the control plane is not complete")?;
    let mut stdout = std::io::stdout().lock();
    for (name, path) in programs.iter() {
        writeln!(stdout, "{name:<24} {}", path.display())?;
    }
    Ok(())
}
