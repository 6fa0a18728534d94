//! Asks managed clusters again and again what the gateway's account may do there: soon after a
//! connection is open, then now and then, and more often while the account may do too much. Only
//! clusters on which nobody acts as the account are asked, and only over a connection that is open
//! anyway.

use std::{sync::Arc, time::Duration};

use crds::ClusterName;
use futures::{StreamExt as _, stream};
use kubernetes::pauses::jitter;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::review::review;
use crate::{
    clusters::{Access, Cluster, Clusters},
    grants::Grants,
};

/// The pause between two looks at which clusters are due.
const PAUSE: Duration = Duration::from_secs(5);
/// How many clusters are asked at a time.
const AT_A_TIME: usize = 8;
/// How long a cluster may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a cluster is asked. Half as much is added, so that not all are asked at once.
const EVERY: Duration = Duration::from_mins(10);
/// How soon a cluster is asked again if the account may do too much, so that an administrator who has
/// mended that soon sees it.
const AGAIN: Duration = Duration::from_secs(30);
/// How soon a cluster is asked again that did not answer.
const UNANSWERED: Duration = Duration::from_mins(2);

/// Goes on for as long as it is polled.
pub(crate) async fn keep_reviewing(clusters: &Clusters, grants: &Grants) {
    loop {
        sleep(PAUSE).await;
        let due = due(clusters, grants, Instant::now());
        let asked = stream::iter(due);
        asked.for_each_concurrent(AT_A_TIME, ask).await;
    }
}

/// A cluster to ask.
struct Due {
    name: ClusterName,
    cluster: Arc<Cluster>,
    access: Access,
}

fn due(clusters: &Clusters, grants: &Grants, now: Instant) -> Vec<Due> {
    let snapshot = clusters.snapshot();
    let mut due = Vec::new();
    for (name, cluster) in &snapshot.by_name {
        if !grants.leave_account_idle(name) {
            cluster.rights.forget();
            continue;
        }
        let access = cluster.access.as_ref().ok();
        let open = access.filter(|access| access.way.current().sighting().is_open);
        if let Some(access) = open.filter(|_| cluster.rights.is_due(now)) {
            due.push(Due {
                name: name.clone(),
                cluster: Arc::clone(cluster),
                access: access.clone(),
            });
        }
    }
    due
}

async fn ask(
    Due {
        name,
        cluster,
        access,
    }: Due,
) {
    let answer = timeout(DEADLINE, review(&access)).await;
    let excess = match answer {
        Ok(Ok(excess)) => Some(excess),
        Ok(Err(error)) => {
            debug!(cluster = %name, %error, "it is not known what the gateway's account may do there");
            None
        }
        Err(_) => None,
    };
    let known = cluster.rights.excess();
    if let Some(excess) = excess
        .as_ref()
        .filter(|it| !it.is_empty() && known.as_ref() != Some(*it))
    {
        let may = excess.join("; ");
        warn!(cluster = %name, may, "the gateway's account may do more there than impersonate callers");
    }
    let pause = match &excess {
        None => UNANSWERED,
        Some(excess) if excess.is_empty() => EVERY + spread(&name),
        Some(_) => AGAIN,
    };
    cluster.rights.asked(excess, Instant::now() + pause);
}

fn spread(name: &ClusterName) -> Duration {
    let most = i64::try_from(EVERY.as_secs() / 2).unwrap_or_default();
    Duration::from_secs(u64::try_from(jitter(name.as_str(), most)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::tests::spoke::Spoke;

    #[tokio::test]
    async fn the_account_is_asked_about_where_nobody_acts_as_it_and_a_connection_is_open() {
        let spoke = Spoke::start("good").await;
        let clusters = Arc::new(Clusters::at_addresses());
        spoke.has_token(&clusters, "good");
        let name: ClusterName = "managed1".parse().unwrap();
        let grants = Grants::of(Arc::clone(&clusters), &[]);
        let told = || clusters.shown(&name).unwrap().status.clone()?.excess_rights;
        let now = Instant::now();
        let count = |now| due(&clusters, &grants, now).len();

        grants.set_used(&name, true);
        assert_eq!(count(now), 0, "no connection");
        clusters.probe(&name).await;
        grants.set_used(&name, false);
        assert_eq!(count(now), 0, "callers act as it");
        grants.set_used(&name, true);
        assert_eq!((count(now), told()), (1, None));

        ask(due(&clusters, &grants, now).remove(0)).await;
        assert_eq!(told(), Some(vec!["everything".to_owned()]));
        let member = "Bearer good impersonate-user=cluster:hub:group-member";
        assert_eq!(spoke.seen(), ["Bearer good", member]);
        let asked = Instant::now();
        assert_eq!((count(asked), count(asked + AGAIN)), (0, 1));

        grants.set_used(&name, false);
        assert_eq!((count(asked + AGAIN), told()), (0, None));
    }
}
