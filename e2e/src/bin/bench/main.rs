//! Benchmarks on real processes over loopback; `cargo xtask bench <name>` runs them. The figures
//! come out as Markdown on standard output, progress goes to standard error.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;

mod bars;
mod bulk;
mod client;
mod footprint;
mod load;
mod machine;
mod neighbour;
mod plain;
mod proxy;
mod site;
mod statistics;
mod table;
mod usage;
mod warm;
mod watches;

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", about = "Measure")]
enum Command {
    /// The proxy's throughput, latency, CPU and memory, beside direct connections
    Proxy(proxy::Args),
    /// The plain upstream of the proxy's benchmark, as a process of its own
    #[command(hide = true)]
    Upstream(plain::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Proxy(args) => tokio::select! {
            done = proxy::run(args) => done,
            signal = tokio::signal::ctrl_c() => signal.context("cannot listen for Ctrl-C"),
        },
        Command::Upstream(args) => plain::serve(args).await,
    }
}

/// One line of the report.
fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

/// What is being done now, for whoever waits.
fn tell(line: &str) {
    // Where stderr is closed nobody waits.
    let _ = writeln!(std::io::stderr(), "{line}");
}
