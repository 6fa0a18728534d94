//! The run: our agent and upstream's run on one hub and one spoke, and the cost of accounts is
//! measured for each.

mod bars;
mod burst;
mod calls;
mod held;
mod prompt;
mod site;

use tokio::time::Instant;

use self::{bars::Measured, burst::Bursts, calls::Calls, held::Held, prompt::Prompt, site::Site};
use crate::{
    machine,
    report::{print, tell},
};

/// How long to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of rounds; the report has the medians of the rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..))]
    rounds: u32,
    /// Number of accounts that are created at once
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=2000))]
    burst: u16,
    /// Number of rounds in which upstream's agent gets them too, which takes minutes
    #[arg(long, default_value_t = 1)]
    upstream_bursts: u32,
    /// Number of accounts that an agent looks after while its memory and its calls are measured
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    accounts: u16,
    /// Also count calls to the API servers until each account has been renewed, which takes eleven
    /// minutes. Other work on the machine does not affect these counts
    #[arg(long)]
    calls: bool,
}

/// Measures and prints the report.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let load_before = machine::load_average()?;
    tell("starting a hub, a spoke, our gateway and agent, and upstream's agent");
    let site = Site::start().await?;
    let mut measured = Measured {
        rounds: args.rounds,
        prompt: Prompt::default(),
        held: Held::new(args.accounts),
        bursts: Bursts::new(args.burst),
        calls: Calls::new(args.accounts),
    };
    for round in 1..=args.rounds {
        tell(&format!("round {round} of {}: first token", args.rounds));
        for tenant in site.in_turn(round) {
            measured.prompt.round(&site, tenant, round).await?;
        }
        tell(&format!("round {round}: {} accounts held", args.accounts));
        for tenant in site.in_turn(round) {
            measured.held.round(&site, tenant).await?;
        }
        tell(&format!("round {round}: {} accounts at once", args.burst));
        for tenant in site.in_turn(round) {
            if tenant.stack.is_ours() || round <= args.upstream_bursts {
                measured.bursts.round(&site, tenant).await?;
            }
        }
    }
    if args.calls {
        tell("counting calls through a renewal of each account, for eleven minutes");
        measured.calls.count(&site).await?;
    }
    let upstream = machine::upstream_msa();
    machine::head(&site.world, started, &load_before, &upstream).await?;
    print(&method(&args))?;
    measured.print(&site)
}

fn method(args: &Args) -> String {
    let Args {
        rounds,
        burst,
        upstream_bursts,
        accounts,
        calls,
    } = args;
    let calls = if *calls { " --calls" } else { "" };
    format!(
        "- Command: `cargo xtask bench accounts --rounds {rounds} --burst {burst} \
         --upstream-bursts {upstream_bursts} --accounts {accounts}{calls}`.\n\
         - Method: in every round both agents have their turn, another one first each time; medians of \
         the rounds. Both agents run all the time on the same two API servers, each \
         with a managed cluster's name and a namespace for `ServiceAccount`s of its own, and with the \
         rights that it is shipped with. Ours keeps two idle tunnel connections besides; upstream's \
         has no tunnel. Every call of an agent is in the API servers' audit logs, which is where \
         calls are counted, and what that costs slows both.\n"
    )
}
