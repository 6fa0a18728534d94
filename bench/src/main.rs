//! Benchmarks on real processes over loopback; `cargo xtask bench <name>` runs them. The figures
//! come out as Markdown on standard output, progress goes to standard error.

use anyhow::Context as _;
use clap::Parser;

mod accounts;
mod audit;
mod bars;
mod bulk;
mod callers;
mod client;
mod failover;
mod fairness;
mod footprint;
mod load;
mod machine;
mod neighbour;
mod operator;
mod path;
mod plain;
mod proxy;
mod report;
mod stall;
mod statistics;
mod table;
mod usage;
mod warm;
mod watches;
mod way;

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", about = "Measure")]
enum Command {
    /// Measure throughput, latency, CPU and memory of the proxy, compared with direct connections
    Proxy(proxy::Args),
    /// Measure the whole path through the tunnel, compared with the Go stack and with direct connections
    Path(path::Args),
    /// Measure what the tokens of many accounts cost the agent, compared with upstream's agent
    Accounts(accounts::Args),
    /// Measure what thousands of clusters cost the operator and the hub
    Operator(operator::Args),
    /// What a lost gateway costs callers: one of several is killed, paused, drained, rolled, scaled
    Failover(failover::Args),
    /// Measure what one user's many requests cost another user, with and without the gateway's limits
    Fairness(fairness::Args),
    /// The plain upstream of the proxy's benchmark, as a process of its own
    #[command(hide = true)]
    Upstream(plain::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let measured = async {
        match Command::parse() {
            Command::Proxy(args) => proxy::run(args).await,
            Command::Path(args) => path::run(args).await,
            Command::Accounts(args) => accounts::run(args).await,
            Command::Operator(args) => operator::run(args).await,
            Command::Failover(args) => failover::run(args).await,
            Command::Fairness(args) => fairness::run(args).await,
            Command::Upstream(args) => plain::serve(args).await,
        }
    };
    tokio::select! {
        done = measured => done,
        signal = tokio::signal::ctrl_c() => signal.context("cannot listen for Ctrl-C"),
    }
}
