//! The gateway-server program: arguments in, a running process out.

use std::process::ExitCode;

use clap::Parser;
use gateway_server::{Args, Settings, run};
use runtime::process;

fn main() -> ExitCode {
    let settings = Settings::try_from(Args::parse());
    process::ended(settings.map_err(Into::into).and_then(run))
}
