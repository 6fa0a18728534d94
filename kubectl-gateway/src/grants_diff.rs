//! `kubectl gateway grants diff`: which rights files would give and take, cluster by cluster.

mod files;
mod rights;

use std::io;

use crds::gateway::AccessGrant;
use jiff::Timestamp;
use kube::ResourceExt as _;

use self::files::FilesError;
use crate::{
    args::DiffArgs,
    fleet::Fleet,
    hub::{Hub, HubError},
    voice::{self, Outcome},
};

/// Why it cannot be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiffError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("cannot print")]
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
