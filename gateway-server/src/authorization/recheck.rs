//! Asks the hub again for callers whose requests last, and ends the requests that it no longer allows.

use std::{sync::Arc, time::Duration};

use crds::ClusterName;
use futures::{StreamExt as _, stream};
use tokio::time::sleep;
use tracing::info;

use super::{Authorizer, Question};
use crate::{clusters::Clusters, metrics::Metrics};

/// The pause between two rounds, as long as an answer of the hub counts for new requests.
const PAUSE: Duration = Duration::from_secs(10);
/// How many questions the hub is asked at a time.
const AT_A_TIME: usize = 8;

/// Goes on for as long as it is polled. If the hub does not answer, requests go on as well.
pub(crate) async fn keep_checking(clusters: &Clusters, authorizer: &Authorizer, metrics: &Metrics) {
    loop {
        sleep(PAUSE).await;
        let snapshot = clusters.snapshot();
        let open: Vec<(ClusterName, Arc<Question>)> = snapshot
            .by_name
            .iter()
            .flat_map(|(name, cluster)| {
                let questions = cluster.streams.questions();
                questions
                    .into_iter()
                    .map(|question| (name.clone(), question))
            })
            .collect();
        let asked = stream::iter(open).map(|(name, question)| async move {
            let denied = authorizer.denies(&question).await;
            denied.then_some((name, question))
        });
        let mut asked = asked.buffer_unordered(AT_A_TIME);
        while let Some(answer) = asked.next().await {
            let Some((name, question)) = answer else {
                continue;
            };
            let cut = snapshot.by_name[&name].streams.forbid(&question);
            metrics.streams_cut.inc_by(cut);
            let user = &question.user.name;
            info!(cluster = %name, user, cut, "the hub no longer allows these requests");
        }
    }
}
