//! Runs the command line, and returns the exit code.

use std::process::ExitCode;

use kubernetes::clock::now;

use crate::{
    Args,
    args::{HubArgs, Verb},
    hub::Hub,
    kubeconfig::documents::Documents,
    verbs::{
        clusters, grant,
        grants_diff::{self, GrantsVerb},
        kubeconfig, who_can,
    },
    voice::{self, Outcome},
};

/// Runs the command line.
pub fn run(args: Args) -> ExitCode {
    // Exit code 1 means that something differs, as with kubectl diff.
    let failure = match args.verb {
        Verb::Grants(GrantsVerb::Diff(_)) => 2,
        Verb::Kubeconfig(_) | Verb::Clusters(_) | Verb::Grant(_) | Verb::WhoCan(_) => 1,
    };
    match started(args) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            voice::complain(&error);
            ExitCode::from(failure)
        }
    }
}

fn started(args: Args) -> anyhow::Result<Outcome> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(carried_out(args))
}

async fn carried_out(args: Args) -> anyhow::Result<Outcome> {
    let HubArgs {
        kubeconfig,
        context,
    } = args.hub;
    let documents = Documents::read(kubeconfig.as_deref())?;
    let entry = documents.hub(context.as_deref())?;
    let hub = Hub::connect(&documents, &entry).await?;
    Ok(match args.verb {
        Verb::Kubeconfig(args) => kubeconfig::run(&hub, &documents, &entry, args).await?,
        Verb::Clusters(args) => clusters::run(&hub, &args, now()).await?,
        Verb::Grant(args) => grant::run(&hub, args, now()).await?,
        Verb::WhoCan(args) => who_can::run(&hub, &args, now()).await?,
        Verb::Grants(GrantsVerb::Diff(args)) => grants_diff::run(&hub, &args, now()).await?,
    })
}
