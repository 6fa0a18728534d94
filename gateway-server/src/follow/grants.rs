//! Keeps the grants in line with the hub and with the clock.

use std::time::Duration;

use crds::{
    ClusterName,
    gateway::{ACCESS_RECORD, AccessGrant},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt as _, runtime::watcher};
use runtime::readiness::Condition;
use tokio::{select, time::sleep};
use tracing::info;

use super::{follow, follower::Follower};
use crate::grants::Grants;

/// Longest pause between two looks at the clock, because somebody may set it.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

impl Follower for Grants {
    type Object = AccessGrant;
    const WHAT: &'static str = "AccessGrants";

    fn reset(&self, grants: &[AccessGrant]) {
        self.replace(grants, self.now());
        info!(objects = grants.len(), "{} listed", Self::WHAT);
    }

    fn has_no_kind(&self) {
        self.replace(&[], self.now());
    }

    fn apply(&self, grant: &AccessGrant) {
        self.set(&grant.name_any(), Some(grant), self.now());
    }

    fn remove(&self, grant: &AccessGrant) {
        self.set(&grant.name_any(), None, self.now());
    }
}

/// The clusters on which a grant was ever used. Each has a `ConfigMap` in its namespace that says so.
struct Used<'a>(&'a Grants);

impl Follower for Used<'_> {
    type Object = ConfigMap;
    const WHAT: &'static str = "records of used AccessGrants";

    fn reset(&self, records: &[ConfigMap]) {
        self.0
            .replace_used(records.iter().filter_map(cluster_of).collect());
        info!(objects = records.len(), "{} listed", Self::WHAT);
    }

    fn has_no_kind(&self) {}

    fn apply(&self, record: &ConfigMap) {
        if let Some(cluster) = cluster_of(record) {
            self.0.set_used(&cluster, true);
        }
    }

    fn remove(&self, record: &ConfigMap) {
        if let Some(cluster) = cluster_of(record) {
            self.0.set_used(&cluster, false);
        }
    }
}

fn cluster_of(record: &ConfigMap) -> Option<ClusterName> {
    record.metadata.namespace.as_ref()?.parse().ok()
}

/// Follows the records of used grants for as long as it is polled; `listed` is met from the first
/// full list on.
pub(super) async fn follow_used(grants: &Grants, client: Client, listed: Condition) {
    let api: Api<ConfigMap> = Api::all(client);
    let records = watcher::Config::default().fields(&format!("metadata.name={ACCESS_RECORD}"));
    follow(&Used(grants), api, records, listed).await;
}

/// Follows the hub's grants for as long as it is polled; `listed` is met from the first full list
/// on.
pub(super) async fn follow_grants(grants: &Grants, client: Client, listed: Condition) {
    let api: Api<AccessGrant> = Api::all(client);
    select! {
        () = follow(grants, api, watcher::Config::default(), listed) => {}
        () = end_in_time(grants, || grants.now()) => {}
    }
}

/// Ends each grant when it expires, whatever the hub does.
pub(crate) async fn end_in_time(grants: &Grants, now: impl Fn() -> Timestamp) {
    loop {
        let pause = grants.pass(now()).map_or(LONGEST_SLEEP, |next| {
            let left = Duration::try_from(next.duration_since(now()));
            left.unwrap_or(Duration::ZERO).min(LONGEST_SLEEP)
        });
        sleep(pause).await;
    }
}
