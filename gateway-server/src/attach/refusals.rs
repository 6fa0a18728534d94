//! Agents that are refused. Each comes again every few seconds, and the log tells of it when the
//! reason changes.

use std::{collections::HashMap, fmt::Display, sync::Arc};

use parking_lot::Mutex;
use runtime::news::News;
use tracing::warn;

use crate::metrics::Counter;

/// As many managed clusters are remembered. If there are more, some are told twice.
const MOST: usize = 4096;

/// What was told about the agents of each managed cluster. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    count: Counter,
    told: Arc<Mutex<HashMap<String, News>>>,
}

impl Refusals {
    /// Also counts them there.
    pub(crate) fn new(count: Counter) -> Self {
        Self {
            count,
            told: Arc::default(),
        }
    }

    /// An agent that speaks for `cluster`, or that calls itself that, is refused.
    pub(super) fn refuse(&self, cluster: &str, why: &impl Display) {
        self.count.inc();
        if self.is_news(cluster, why.to_string()) {
            warn!(cluster, "agent refused: {why}");
        }
    }

    /// An agent of `cluster` is attached.
    pub(super) fn attached(&self, cluster: &str) {
        self.told.lock().remove(cluster);
    }

    fn is_news(&self, cluster: &str, why: String) -> bool {
        let mut told = self.told.lock();
        if told.len() >= MOST && !told.contains_key(cluster) {
            told.clear();
        }
        told.entry(cluster.to_owned())
            .or_default()
            .of(Some(why))
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_agent_is_told_until_it_is_attached() {
        let refusals = Refusals::default();
        let is_news = |cluster: &str, why: &str| refusals.is_news(cluster, why.to_owned());
        assert!(is_news("managed1", "unknown"));
        assert!(!is_news("managed1", "unknown"));
        assert!(is_news("managed2", "unknown"));
        assert!(is_news("managed1", "full"));
        refusals.attached("managed1");
        assert!(is_news("managed1", "full"));
        for number in 0..3 * MOST {
            assert!(is_news(&number.to_string(), "unknown"));
        }
        assert!(refusals.told.lock().len() <= MOST);
    }
}
