//! The gateway-server program: arguments in, a running process out.

use std::process::ExitCode;

use clap::Parser;
use gateway_server::{Args, run};
use runtime::process;

fn main() -> ExitCode {
    process::ended(run(Args::parse().into()))
}
