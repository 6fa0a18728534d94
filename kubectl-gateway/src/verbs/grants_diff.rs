//! `kubectl gateway grants diff`: shows which rights files would add and remove on each cluster.

mod files;
mod rights;

use std::{io, path::PathBuf};

use clap::{Args, Subcommand};
use crds::gateway::AccessGrant;
use jiff::Timestamp;
use kube::ResourceExt as _;

use self::files::FilesError;
use crate::{
    fleet::Fleet,
    hub::{Hub, HubError},
    voice::{self, Outcome},
};

/// Check AccessGrants before you apply them
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, Subcommand)]
pub(crate) enum GrantsVerb {
    Diff(DiffArgs),
}

/// Show which rights the AccessGrants in files would add and remove, for each cluster
///
/// The exit code is 0 if nothing would change, 1 if something would change, and greater than 1 if an error
/// occurred. AccessGrants on the hub that are in none of the files are ignored.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// YAML or JSON file, or a directory of such files. Use - for stdin
    #[arg(long, short, required = true, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
}

/// Why there is no diff.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiffError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("cannot write the output")]
    Print(#[from] io::Error),
}

pub(crate) async fn run(hub: &Hub, args: &DiffArgs, now: Timestamp) -> Result<Outcome, DiffError> {
    let wanted = files::read(&args.filename)?;
    let there = hub.list::<AccessGrant>().await?;
    let all = wanted.iter().chain(&there);
    let fleet = Fleet::read(hub, all.map(|it| &it.spec.clusters)).await?;
    let mut outcome = Outcome::Done;
    for grant in &wanted {
        let before = there.iter().find(|it| it.name_any() == grant.name_any());
        if let Some(change) = rights::change(before, grant, &fleet, now) {
            voice::say(&change)?;
            outcome = Outcome::Differs;
        }
    }
    Ok(outcome)
}
