//! `kubectl gateway grant`: an `AccessGrant` from a command line, and what becomes of it.

mod manifest;
mod progress;

use std::{io, time::Duration};

use crds::gateway::AccessGrant;
use kube::{
    Api, ResourceExt as _,
    api::PostParams,
    runtime::wait::{self, await_condition},
};

use self::{
    manifest::{ManifestError, Rules},
    progress::Progress,
};
use crate::{
    args::GrantArgs,
    hub::{Hub, HubError, unanswered},
    voice::{self, Outcome},
};

const FIELD_MANAGER: &str = "kubectl-gateway";

/// Why nothing is granted, or it is not known what became of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(
        "there is an AccessGrant {0} already: choose another --name, or change that one by kubectl edit accessgrant {0}"
    )]
    Exists(String),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(
        "AccessGrant {0} was made, but cannot be watched; see kubectl describe accessgrant {0}"
    )]
    Watch(String, #[source] Box<wait::Error>),
    #[error("AccessGrant {0} was deleted while it was waited for")]
    Deleted(String),
    #[error("cannot make YAML")]
    Yaml(#[from] serde_saphyr::SerializeError),
    #[error("cannot print")]
    Print(#[from] io::Error),
}

pub(crate) async fn run(hub: &Hub, args: GrantArgs) -> Result<Outcome, GrantError> {
    let (dry_run, wait, timeout) = (args.dry_run, args.wait, args.timeout);
    let rules = args.rules_file.as_deref().map(Rules::read).transpose()?;
    let grant = made(hub, &manifest::grant(args, rules)?, dry_run).await?;
    if dry_run {
        voice::say(&manifest::yaml(grant)?)?;
        return Ok(Outcome::Done);
    }
    let name = grant.name_any();
    voice::say(&format!("accessgrant {name} made\n"))?;
    if wait {
        let grant = settled(hub, grant, Duration::from_secs(timeout)).await?;
        let progress = Progress::of(&grant);
        voice::say(&progress.said(&grant))?;
        return Ok(progress.outcome());
    }
    Ok(Outcome::Done)
}

async fn made(hub: &Hub, grant: &AccessGrant, dry_run: bool) -> Result<AccessGrant, GrantError> {
    let parameters = PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let api = Api::<AccessGrant>::all(hub.client.clone());
    let made = api.create(&parameters, grant).await;
    made.map_err(|error| match unanswered(error) {
        HubError::Refused { code: 409, .. } => GrantError::Exists(grant.name_any()),
        error if error.is_absent() => HubError::UnknownKind("accessgrants.".to_owned()).into(),
        error => error.into(),
    })
}

/// The grant once there is nothing more to wait for, or as it is after that time.
async fn settled(
    hub: &Hub,
    grant: AccessGrant,
    timeout: Duration,
) -> Result<AccessGrant, GrantError> {
    let api = Api::<AccessGrant>::all(hub.client.clone());
    let name = grant.name_any();
    let is_settled =
        |grant: Option<&AccessGrant>| grant.is_none_or(|it| Progress::of(it) != Progress::Waiting);
    let waiting = await_condition(api.clone(), &name, is_settled);
    let settled = match tokio::time::timeout(timeout, waiting).await {
        Ok(settled) => settled.map_err(|error| GrantError::Watch(name.clone(), Box::new(error)))?,
        Err(_) => api.get_opt(&name).await.map_err(unanswered)?,
    };
    settled.ok_or(GrantError::Deleted(name))
}
