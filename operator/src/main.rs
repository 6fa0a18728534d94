//! The operator program: arguments in, a running process out.

use std::process::ExitCode;

use clap::Parser;
use operator::{Args, run};
use runtime::process;

fn main() -> ExitCode {
    process::ended(started())
}

fn started() -> anyhow::Result<()> {
    run(Args::parse().try_into()?)
}
