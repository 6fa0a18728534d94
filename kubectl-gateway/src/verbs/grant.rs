//! `kubectl gateway grant`: creates an `AccessGrant` from the command line, and reports its
//! progress.

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

/// Grant a user, group or ServiceAccount of the hub a role on managed clusters
///
/// Creates an AccessGrant and waits until it is applied on all of its clusters. You need the verb grant on
/// these clusters.
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
    /// user:NAME, group:NAME, sa:NAMESPACE/NAME, or gateway for everybody who may use the gateway for a cluster
    #[arg(value_parser = subject::parse)]
    pub(crate) subject: Subject,
    /// Name of a ClusterRole on the managed clusters, e.g. view, edit, admin or cluster-admin
    #[arg(long, required_unless_present = "rules_file")]
    pub(crate) role: Option<String>,
    /// YAML file with the rules of a role: a list of rules, a Role or a ClusterRole. Use - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "role")]
    pub(crate) rules_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) clusters: GrantClustersArgs,
    /// Grant the role only in these namespaces [default: the whole cluster]
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES")]
    pub(crate) namespaces: Vec<String>,
    /// Create the namespaces that do not exist. They are kept when the grant ends
    #[arg(long, requires = "namespaces")]
    pub(crate) create_namespaces: bool,
    /// How long the grant lasts, e.g. 8h [default: it does not expire]
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) lasts: Option<String>,
    /// Name of the AccessGrant [default: subject and role]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Print the AccessGrant that the hub would store, without storing it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait until the grant is applied on all of its clusters, and print its state on each
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
    /// Seconds that --wait waits
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
}

/// Which clusters are granted: all that any of these chooses.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct GrantClustersArgs {
    /// Grant the role on these clusters
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) clusters: Vec<String>,
    /// Grant the role on clusters that match this label selector, now and later, e.g. env=prod,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    /// Grant the role on clusters that this Placement selects, now and later
    #[arg(
        long = "placement",
        value_name = "NAMESPACE/NAME",
        value_delimiter = ',',
        value_parser = placement
    )]
    pub(crate) placements: Vec<PlacementReference>,
}

/// Why nothing was granted, or why the result is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(
        "AccessGrant {0} already exists; choose another --name, or change it with kubectl edit accessgrant {0}"
    )]
    Exists(String),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(
        "AccessGrant {0} was created, but its state cannot be watched; see kubectl describe accessgrant {0}"
    )]
    Watch(String, #[source] Box<wait::Error>),
    #[error("AccessGrant {0} was deleted before it was applied")]
    Deleted(String),
    #[error("cannot serialize the AccessGrant as YAML")]
    Yaml(#[from] serde_saphyr::SerializeError),
    #[error("cannot write the output")]
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
    voice::say(&format!("accessgrant/{name} created\n"))?;
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

/// Waits until the grant is settled, and returns it. After `timeout` it returns the grant as it is
/// then.
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
        _ => Err("write the Placement as NAMESPACE/NAME"),
    }
}
