//! The agent program: arguments in, a running process out.

use std::process::ExitCode;

use agent::{Args, run};
use clap::Parser;
use runtime::process;

fn main() -> ExitCode {
    process::ended(started())
}

fn started() -> anyhow::Result<()> {
    run(Args::parse().try_into()?)
}
