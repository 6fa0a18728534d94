//! Tests the grants of any document; see [`crate::fuzz`]. Pure.

use std::collections::{HashMap, HashSet};

use crds::{
    ClusterName,
    gateway::{AccessGrant, Caps, ON_CLUSTER_PREFIX, UserPrefix},
};
use http::HeaderValue;
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::{
    decision::{Denied, decide},
    ledger::Ledger,
    reading::Reading,
};
use crate::{acting::Acting, authentication::User, identities::Identities};

/// The first line names a caller, and the second its groups.
pub(crate) fn fuzz(document: &str) {
    let mut lines = document.lines();
    let (name, groups) = (lines.next(), lines.next());
    let caller = User {
        name: name.unwrap_or_default().to_owned(),
        groups: groups
            .into_iter()
            .flat_map(|line| line.split(','))
            .map(str::to_owned)
            .collect(),
        ..User::default()
    };
    let grants = lines.filter_map(|line| serde_json::from_str::<AccessGrant>(line).ok());
    let readings = grants.map(|grant| (grant.name_any(), Reading::of(&grant)));
    check(&caller, readings.collect());
}

fn check(caller: &User, readings: Vec<(String, Reading)>) {
    let now = Timestamp::constant(1_800_000_000, 0);
    let clusters: HashSet<ClusterName> = readings
        .iter()
        .flat_map(|(_, reading)| reading.clusters().cloned())
        .collect();
    let identities = Identities::default();
    let mut ledger = Ledger::new(UserPrefix::default());
    ledger.replace(readings, now);
    ledger.set_caps(Caps::default(), now);
    ledger.replace_labels(HashMap::new(), now);
    ledger.replace_used(clusters.clone());
    for cluster in &clusters {
        match decide(caller, cluster, ledger.standings(), &identities) {
            Ok(Acting::User { user, groups }) => {
                let own = UserPrefix::default().on_cluster(&caller.name);
                assert_eq!(own.as_deref().map(str::as_bytes), Some(user.as_bytes()));
                check_groups(&groups);
            }
            Ok(Acting::Member { groups, .. }) => check_groups(&groups),
            Ok(Acting::Account) => panic!("a caller without a grant acts as the account"),
            Err(_) => {}
        }
    }
    ledger.replace(Vec::new(), now);
    for cluster in &clusters {
        let left = decide(caller, cluster, ledger.standings(), &identities);
        assert!(
            matches!(left, Err(Denied::NoGrant { .. } | Denied::Name(_))),
            "{left:?}"
        );
    }
}

/// At least one, and none but those of grants.
fn check_groups(groups: &[HeaderValue]) {
    let is_of_grant = |group: &HeaderValue| {
        let group = group.to_str().ok();
        let digits =
            group.and_then(|it| it.strip_prefix(ON_CLUSTER_PREFIX)?.strip_prefix("grant:"));
        digits.is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    assert!(
        !groups.is_empty() && groups.iter().all(is_of_grant),
        "{groups:?}"
    );
}
