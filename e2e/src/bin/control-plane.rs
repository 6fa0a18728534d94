//! Builds the missing programs of the control plane, and prints the path of each one.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;
use e2e::{
    node,
    programs::{self, Programs},
};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask control-plane")]
struct Args {
    /// Also build the Go programs that `bench path` and `bench accounts` compare with Spokeway
    #[arg(long)]
    go_stack: bool,
}

fn main() -> anyhow::Result<()> {
    let Args { go_stack } = Args::parse();
    let mut families = programs::ALL.to_vec();
    families.extend([
        &programs::OCM,
        &programs::MANAGED_SERVICEACCOUNT_E2E,
        &programs::HELM,
        &programs::STARLARK,
    ]);
    if go_stack {
        families.extend(programs::GO_STACK);
        families.push(&programs::MANAGED_SERVICEACCOUNT);
    }
    // Benchmarks need no node.
    let obstacle = if go_stack { None } else { node::obstacle() };
    if obstacle.is_none() && !go_stack {
        families.extend(programs::NODE);
    }
    let programs = Programs::ensure(&families).context("the control plane is not complete")?;
    let mut stdout = std::io::stdout().lock();
    for (name, path) in programs.iter() {
        writeln!(stdout, "{name:<24} {}", path.display())?;
    }
    if let Some(why) = obstacle {
        writeln!(std::io::stderr(), "without the parts of a node: {why}")?;
    }
    Ok(())
}
