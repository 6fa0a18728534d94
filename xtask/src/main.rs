//! The commands for developers: `cargo xtask <command>`. It checks what is missing on the machine,
//! and then runs cargo.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::Parser;

mod cargo;
mod circles;
mod generated;
mod images;
mod needs;
mod suites;
mod terminal;
mod test;

use needs::{GO, NODE, Skips};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Developer commands of Spokeway")]
enum Command {
    /// Build the missing programs of a control plane, and print the path of each program
    ControlPlane {
        /// Also build the Go programs that `bench path` and `bench accounts` compare with Spokeway
        #[arg(long)]
        go_stack: bool,
    },
    /// Start a hub and a managed cluster on this machine, and use kubectl through the gateway. Ctrl-C stops them
    Demo {
        /// Stop after the kubectl commands
        #[arg(long)]
        once: bool,
    },
    /// Run all checks that a change must pass
    Test {
        /// Run only the format check, the lints and the unit tests
        #[arg(long)]
        quick: bool,
        /// Fail if the machine lacks something that a test needs, instead of skipping the test
        #[arg(long, conflicts_with = "quick")]
        no_skips: bool,
    },
    /// Build the container images as OCI archives, without a container engine, with their bills of materials and digests
    Images {
        /// Cargo profile to build the programs with
        #[arg(long, default_value = "release")]
        profile: String,
        /// Output directory. If it is not set, the images directory in the target directory
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
    },
    /// Regenerate the generated files
    Generate,
    /// Fail if a generated file is out of date, or if files import each other in a circle
    Check,
    /// Run a benchmark
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(clap::Subcommand)]
enum Bench {
    /// Measure throughput, latency and CPU of the proxy, compared with direct connections
    Proxy {
        /// Arguments of the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure the whole path through the tunnel, compared with the Go stack and with direct connections
    Path {
        /// Arguments of the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure what the tokens of many accounts cost the agent, compared with upstream's agent
    Accounts {
        /// Arguments of the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure what thousands of clusters cost the operator and the hub, and the load of ten idle minutes
    Operator {
        /// Arguments of the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// What a lost gateway costs callers: one of several is killed, paused, drained, rolled, scaled
    Failover {
        /// Arguments of the benchmark itself
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure what one user's many requests cost another user, with and without the gateway's limits
    Fairness {
        /// Arguments of the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, the error is dropped.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::ControlPlane { go_stack } => {
            if go_stack {
                needs::meet(&[GO], Skips::Forbidden)?;
                return cargo::become_bin("control-plane", &[], &["--go-stack"]);
            }
            // The program itself reports what it works without, after what it has.
            needs::meet(&[GO, NODE], Skips::Allowed)?;
            cargo::become_bin("control-plane", &[], &[])
        }
        Command::Demo { once } => {
            needs::meet(&[GO], Skips::Forbidden)?;
            cargo::become_bin("demo", &[], if once { &["--once"] } else { &[] })
        }
        Command::Test { quick: true, .. } => test::quick(),
        Command::Test { no_skips, .. } => test::run(if no_skips {
            Skips::Forbidden
        } else {
            Skips::Allowed
        }),
        Command::Images { profile, out } => images::run(&profile, out),
        Command::Generate => generated::generate(),
        Command::Check => {
            circles::check()?;
            generated::check()
        }
        Command::Bench(bench) => {
            needs::meet(&[GO], Skips::Forbidden)?;
            let (name, args) = match &bench {
                Bench::Proxy { args } => ("proxy", args),
                Bench::Path { args } => ("path", args),
                Bench::Accounts { args } => ("accounts", args),
                Bench::Operator { args } => ("operator", args),
                Bench::Failover { args } => ("failover", args),
                Bench::Fairness { args } => ("fairness", args),
            };
            let args: Vec<_> = [name]
                .into_iter()
                .chain(args.iter().map(String::as_str))
                .collect();
            cargo::become_bin("bench", &["--release"], &args)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Command::command().debug_assert();
    }
}
