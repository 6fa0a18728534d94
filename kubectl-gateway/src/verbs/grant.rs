//! `kubectl gateway grant`: an `AccessGrant` from a command line, and what becomes of it.

mod manifest;
mod progress;

use std::{io, path::PathBuf, time::Duration};

use clap::{ArgAction, Args};
use crds::gateway::{AccessGrant, PlacementReference, Subject};
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
    flags::{Selector, selector},
    hub::{Hub, HubError, unanswered},
    subject,
    voice::{self, Outcome},
};

const FIELD_MANAGER: &str = "kubectl-gateway";

/// Grant somebody of the hub a role on managed clusters
///
/// Makes an AccessGrant and waits until it holds on all of its clusters. You need the verb grant on them.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kubectl gateway grant user:alice --role view --clusters managed1 --for 8h
  kubectl gateway grant group:shop --role edit -l env=staging --namespaces shop --create-namespaces
  kubectl gateway grant sa:ci/deployer --rules-file rules.yaml --placement ci/all --dry-run")]
pub(crate) struct GrantArgs {
    /// user:NAME, group:NAME, sa:NAMESPACE/NAME, or gateway: everybody whom no other grant names
    #[arg(value_parser = subject::parse)]
    pub(crate) subject: Subject,
    /// ClusterRole of the managed clusters: view, edit, admin, cluster-admin, or one of their own
    #[arg(long, required_unless_present = "rules_file")]
    pub(crate) role: Option<String>,
    /// YAML with the rules of a role, as a list or as a Role or ClusterRole; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "role")]
    pub(crate) rules_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) clusters: GrantClustersArgs,
    /// Only in these namespaces [default: the whole cluster]
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES")]
    pub(crate) namespaces: Vec<String>,
    /// Make those namespaces that are missing; they stay when the grant ends
    #[arg(long, requires = "namespaces")]
    pub(crate) create_namespaces: bool,
    /// How long it holds, as 8h [default: for good]
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) lasts: Option<String>,
    /// Name of the AccessGrant [default: made of subject and role]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Print what the hub would store, and store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait until it holds on all of its clusters, or say where it does not
    #[arg(
        long,
        action = ArgAction::Set,
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        value_name = "BOOL"
    )]
    pub(crate) wait: bool,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
}

/// Which clusters are granted: all that any of these chooses.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct GrantClustersArgs {
    /// Clusters by name
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) clusters: Vec<String>,
    /// Clusters by labels, now and later, as env=prod,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    /// Clusters that a placement has chosen, now and later
    #[arg(
        long = "placement",
        value_name = "NAMESPACE/NAME",
        value_delimiter = ',',
        value_parser = placement
    )]
    pub(crate) placements: Vec<PlacementReference>,
}

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

fn placement(text: &str) -> Result<PlacementReference, &'static str> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(PlacementReference {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => Err("write NAMESPACE/NAME of the placement"),
    }
}
