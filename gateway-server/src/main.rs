//! The gateway-server program: arguments in, a running process out.

use clap::Parser;
use gateway_server::{Args, run};

fn main() -> anyhow::Result<()> {
    run(Args::parse().into())
}
