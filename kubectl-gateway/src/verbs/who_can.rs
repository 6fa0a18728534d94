//! `kubectl gateway who-can`: who may do something because of the hub's grants, where, and until
//! when.

mod answer;
mod question;

use std::{collections::BTreeSet, io};

use clap::Args;
use crds::gateway::AccessGrant;
use futures::future::join;
use jiff::Timestamp;

use self::{
    answer::{Answer, Candidate, Row},
    question::Asked,
};
use crate::{
    flags::{Format, Printing, Selector, selector},
    fleet::Fleet,
    hub::{Hub, HubError},
    roles,
    table::table,
    voice::{self, Outcome},
};

const HEADS: [&str; 7] = [
    "CLUSTER", "SUBJECT", "GRANT", "ROLE", "WHERE", "STATE", "UNTIL",
];

/// Show who may do something on managed clusters because of AccessGrants, and until when
///
/// Other RBAC rules of the managed clusters are not considered, and neither are the rights on the hub that
/// a caller needs to use the gateway.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, Args)]
pub(crate) struct WhoCanArgs {
    /// RBAC verb: get, list, watch, create, update, patch, delete, …
    pub(crate) verb: String,
    /// Resource, e.g. pods, pods/log, deployments.apps or deployments/scale.apps
    #[arg(value_name = "RESOURCE[/SUBRESOURCE][.GROUP]")]
    pub(crate) resource: Asked,
    /// Consider only these clusters
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        conflicts_with = "selector"
    )]
    pub(crate) clusters: Vec<String>,
    /// Consider only clusters that match this label selector, e.g. env=prod,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    /// Namespace of the resource [default: any namespace]
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WhoCanError {
    #[error(
        "the hub has no managed cluster {0}, and no grant names it; the known clusters are {1}"
    )]
    UnknownCluster(String, String),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("cannot write the output")]
    Print(#[from] io::Error),
    #[error("cannot serialize the output as JSON")]
    Json(#[from] serde_json::Error),
}

pub(crate) async fn run(
    hub: &Hub,
    args: &WhoCanArgs,
    now: Timestamp,
) -> Result<Outcome, WhoCanError> {
    let (grants, question) = join(
        hub.list::<AccessGrant>(),
        question::resolved(hub, &args.resource, &args.verb, args.namespace.as_deref()),
    )
    .await;
    let mut grants = grants?;
    grants.retain(|grant| !grant.is_over(now));
    let fleet = Fleet::read(hub, grants.iter().map(|it| &it.spec.clusters)).await?;
    let clusters = asked_about(args, &fleet, &grants)?;
    let candidates = answer::candidates(&grants, &fleet, &clusters, &question);
    let names = candidates.iter().filter_map(Candidate::cluster_role);
    let roles = roles::read(hub, names.collect()).await;
    let Answer { rows, notes } = answer::of(&candidates, &roles, &question);
    for note in notes {
        voice::note(&note);
    }
    match args.printing.output {
        Format::Json => voice::say(&format!("{}\n", serde_json::to_string_pretty(&rows)?))?,
        Format::Table if rows.is_empty() => {
            voice::note(&format!(
                "no AccessGrant allows anybody to {question} on these clusters"
            ));
        }
        Format::Table => {
            let cells: Vec<_> = rows.iter().map(Row::cells).collect();
            voice::say(&table(&HEADS, &cells))?;
        }
    }
    Ok(Outcome::Done)
}

/// The named or selected clusters. By default all clusters, and those that only grants name.
fn asked_about(
    args: &WhoCanArgs,
    fleet: &Fleet,
    grants: &[AccessGrant],
) -> Result<BTreeSet<String>, WhoCanError> {
    let named = grants.iter().flat_map(|it| &it.spec.clusters.names);
    let known: BTreeSet<_> = fleet
        .names()
        .map(str::to_owned)
        .chain(named.cloned())
        .collect();
    if let Some(unknown) = args.clusters.iter().find(|it| !known.contains(*it)) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(WhoCanError::UnknownCluster(unknown.clone(), known));
    }
    if !args.clusters.is_empty() {
        return Ok(args.clusters.iter().cloned().collect());
    }
    let Some(selector) = &args.selector else {
        return Ok(known);
    };
    let fulfils = |cluster: &String| {
        let labels = fleet.labels(cluster);
        labels.is_some_and(|labels| selector.iter().all(|it| it.matches(labels)))
    };
    Ok(known.into_iter().filter(fulfils).collect())
}
