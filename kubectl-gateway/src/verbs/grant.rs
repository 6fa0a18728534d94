//! `kubectl gateway grant`: creates an `AccessGrant` from the command line, and reports its
//! progress.

mod hub_rights;
mod lasting;
mod manifest;
mod missing_role;
mod progress;

use std::{io, path::PathBuf, time::Duration};

use clap::{ArgAction, Args};
use crds::gateway::{AccessGrant, PlacementReference, Subject};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt as _,
    api::PostParams,
    runtime::wait::{self, await_condition},
};

use self::{
    manifest::{ManifestError, Rules},
    missing_role::NoSuchRole,
    progress::Progress,
};
use crate::{
    flags::{Selector, selector},
    hub::{Hub, HubError, unanswered},
    subject,
    voice::{self, Outcome},
};

const FIELD_MANAGER: &str = "kubectl-gateway";
/// How many grants may have the same name but for a number.
const MOST_OF_A_NAME: u32 = 20;

/// Grant users, groups or ServiceAccounts of the hub a role on managed clusters
///
/// Creates an AccessGrant and waits until it is applied on all of its clusters. You need the verb grant on
/// these clusters. It says so if the role does not exist on them, and if a subject still lacks the right on
/// the hub to use the gateway.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kubectl gateway grant user:alice --role view --clusters managed1 --for 8h
  kubectl gateway grant user:alice user:bob --role edit --clusters managed1 --for 7d --bind
  kubectl gateway grant group:shop --role edit -l env=staging --namespaces shop --create-namespaces
  kubectl gateway grant sa:ci/deployer --rules-file rules.yaml --placement ci/all --dry-run")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct GrantArgs {
    /// user:NAME, group:NAME, sa:NAMESPACE/NAME, or gateway for everybody who may use the gateway for a cluster
    #[arg(required = true, value_name = "SUBJECT", value_parser = subject::parse)]
    pub(crate) subjects: Vec<Subject>,
    /// Name of a ClusterRole on the managed clusters, e.g. view, edit, admin or cluster-admin
    #[arg(long, required_unless_present = "rules_file")]
    pub(crate) role: Option<String>,
    /// YAML file with the rules of a role: a list of rules, a Role or a ClusterRole. Use - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "role")]
    pub(crate) rules_file: Option<PathBuf>,
    /// Grant the role even if it does not exist on the clusters yet
    #[arg(long, requires = "role")]
    pub(crate) role_comes_later: bool,
    #[command(flatten)]
    pub(crate) clusters: GrantClustersArgs,
    /// Grant the role only in these namespaces [default: the whole cluster]
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES")]
    pub(crate) namespaces: Vec<String>,
    /// Create the namespaces that do not exist. They are kept when the grant ends
    #[arg(long, requires = "namespaces")]
    pub(crate) create_namespaces: bool,
    /// How long the grant lasts, e.g. 8h or 7d [default: it does not expire]
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting::parse)]
    pub(crate) lasts: Option<String>,
    /// Name of the AccessGrant [default: the first subject and the role, and a number if that is taken]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Bind the ClusterRole spokeway-user on the hub to subjects that may not use the gateway yet
    #[arg(long)]
    pub(crate) bind: bool,
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
    Role(#[from] NoSuchRole),
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

pub(crate) async fn run(hub: &Hub, args: GrantArgs, now: Timestamp) -> Result<Outcome, GrantError> {
    let (dry_run, wait, timeout) = (args.dry_run, args.wait, args.timeout);
    let (is_named, bind, later) = (args.name.is_some(), args.bind, args.role_comes_later);
    let rules = args.rules_file.as_deref().map(Rules::read).transpose()?;
    let grant = manifest::grant(args, rules)?;
    if !later {
        missing_role::look(hub, &grant.spec).await?;
    }
    let create = Create {
        hub,
        dry_run,
        is_named,
        now,
    };
    let grant = create.made(&grant).await?;
    if dry_run {
        voice::say(&manifest::yaml(grant)?)?;
        return Ok(Outcome::Done);
    }
    let name = grant.name_any();
    voice::say(&format!("accessgrant/{name} created\n"))?;
    hub_rights::look(hub, &grant, bind).await?;
    if wait {
        let grant = settled(hub, grant, Duration::from_secs(timeout)).await?;
        let progress = Progress::of(&grant);
        voice::say(&progress.said(&grant))?;
        return Ok(progress.outcome());
    }
    Ok(Outcome::Done)
}

/// How a grant is created.
struct Create<'a> {
    hub: &'a Hub,
    dry_run: bool,
    /// The caller has chosen its name.
    is_named: bool,
    now: Timestamp,
}

impl Create<'_> {
    /// Creates the grant. If its name was not chosen and belongs to another grant, the next one in
    /// number is taken.
    async fn made(&self, grant: &AccessGrant) -> Result<AccessGrant, GrantError> {
        let base = grant.name_any();
        for number in 1..=MOST_OF_A_NAME {
            let mut next = grant.clone();
            if number > 1 {
                next.metadata.name = Some(format!("{base}-{number}"));
            }
            match self.create(&next).await {
                Err(GrantError::Exists(name)) if !self.is_named => {
                    self.is_another(&name, grant).await?;
                }
                made => return made,
            }
        }
        Err(GrantError::Exists(base))
    }

    async fn create(&self, grant: &AccessGrant) -> Result<AccessGrant, GrantError> {
        let parameters = PostParams {
            dry_run: self.dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
        };
        let made = self.api().create(&parameters, grant).await;
        made.map_err(|error| match unanswered(error) {
            HubError::Refused { code: 409, .. } => GrantError::Exists(grant.name_any()),
            error if error.is_absent() => HubError::UnknownKind("accessgrants.".to_owned()).into(),
            error => error.into(),
        })
    }

    /// An error if the grant of this name says the same, and has not ended.
    async fn is_another(&self, name: &str, grant: &AccessGrant) -> Result<(), GrantError> {
        let there = self.api().get_opt(name).await.map_err(unanswered)?;
        let is_same = there.is_some_and(|it| it.spec == grant.spec && !it.is_over(self.now));
        if is_same {
            return Err(GrantError::Exists(name.to_owned()));
        }
        Ok(())
    }

    fn api(&self) -> Api<AccessGrant> {
        Api::all(self.hub.client.clone())
    }
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
