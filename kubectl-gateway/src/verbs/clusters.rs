//! `kubectl gateway clusters`: the clusters that the gateway serves, and the caller's grants on
//! each.

mod own;
mod rows;

use clap::Args;
use crds::{cluster::ManagedCluster, cluster_core::ClusterGateway, gateway::AccessGrant};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, api::PostParams};

use self::rows::{Me, Row, Seen};
use crate::{
    flags::{Format, Printing, Selector, selector},
    hub::{Hub, HubError, unanswered},
    mine,
    table::table,
    voice::{self, Outcome},
};

const HEADS: [&str; 6] = [
    "NAME",
    "REACHED BY",
    "HEALTHY",
    "AVAILABLE",
    "AGE",
    "GRANTS",
];

/// List the managed clusters that the gateway serves, with your grants on each
///
/// If you may not list all clusters, those are listed on which you have a grant.
#[derive(Debug, Args)]
pub(crate) struct ClustersArgs {
    /// List only clusters that match this label selector, e.g. env=prod,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// Why the list failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClustersError {
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("cannot write the output")]
    Print(#[from] std::io::Error),
    #[error("cannot serialize the output as JSON")]
    Json(#[from] serde_json::Error),
}

pub(crate) async fn run(
    hub: &Hub,
    args: &ClustersArgs,
    now: Timestamp,
) -> Result<Outcome, ClustersError> {
    let ClustersArgs { selector, printing } = args;
    let gateways = match hub.list::<ClusterGateway>().await {
        Err(error) if error.is_unreadable() => return own(hub, args, error, now).await,
        listed => listed?,
    };
    let seen = Seen {
        clusters: readable(hub.list::<ManagedCluster>().await, "ManagedClusters")?,
        grants: readable(hub.list::<AccessGrant>().await, "AccessGrants")?,
        me: me(hub).await?,
    };
    let rows = rows::of(
        &gateways,
        &seen,
        selector.as_deref().unwrap_or_default(),
        now,
    );
    match printing.output {
        Format::Json => voice::say(&format!("{}\n", serde_json::to_string_pretty(&rows)?))?,
        Format::Table if rows.is_empty() => voice::note("the gateway serves no matching cluster"),
        Format::Table => {
            let cells: Vec<_> = rows.iter().map(|row| row.cells(now)).collect();
            voice::say(&table(&HEADS, &cells))?;
            for complaint in rows.iter().filter_map(Row::complaint) {
                voice::note(&complaint);
            }
        }
    }
    Ok(Outcome::Done)
}

/// The caller's own clusters, as the gateway tells them, for a caller who may not list all.
async fn own(
    hub: &Hub,
    args: &ClustersArgs,
    refused: HubError,
    now: Timestamp,
) -> Result<Outcome, ClustersError> {
    let Ok(mine) = mine::clusters(hub).await else {
        return Err(refused.into());
    };
    if args.selector.is_some() {
        voice::note("-l is ignored, because you may not read the labels of clusters");
    }
    match args.printing.output {
        Format::Json => voice::say(&format!("{}\n", serde_json::to_string_pretty(&mine)?))?,
        Format::Table if mine.is_empty() => voice::note("you have no grant on any cluster"),
        Format::Table => {
            let cells: Vec<_> = mine
                .iter()
                .map(|cluster| own::cells(cluster, now))
                .collect();
            voice::say(&table(&own::HEADS, &cells))?;
        }
    }
    Ok(Outcome::Done)
}

/// A list that not every caller may read. `None` if this caller may not.
fn readable<T>(read: Result<Vec<T>, HubError>, what: &str) -> Result<Option<Vec<T>>, HubError> {
    match read {
        Err(error) if error.is_unreadable() => {
            voice::note(&format!("the list is shown without {what}: {error}"));
            Ok(None)
        }
        read => read.map(Some),
    }
}

async fn me(hub: &Hub) -> Result<Me, HubError> {
    let api = Api::<SelfSubjectReview>::all(hub.client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    let status = review.map_err(unanswered)?.status.unwrap_or_default();
    let user = status.user_info.unwrap_or_default();
    Ok(Me {
        name: user.username.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
    })
}
