//! The kubectl plugin: arguments in, an exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use kubectl_gateway::{Args, run};

fn main() -> ExitCode {
    run(Args::parse())
}
