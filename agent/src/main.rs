//! The agent program: arguments in, a running process out.

use agent::{Args, run};
use clap::Parser;

fn main() -> anyhow::Result<()> {
    run(Args::parse().try_into()?)
}
