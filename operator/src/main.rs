//! The operator program: arguments in, a running process out.

use clap::Parser;
use operator::{Args, run};

fn main() -> anyhow::Result<()> {
    run(Args::parse().try_into()?)
}
