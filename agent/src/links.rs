//! Keeps a number of tunnel connections, at least one to each replica of the gateway. A connection
//! that ends or drains is replaced after a backoff with jitter, so that many agents do not
//! reconnect to a hub at the same time.

mod link;
mod spread;

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::{news::News, readiness::Condition};
use tokio::{select, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};
use tunnel::Budget;

use self::{link::Link, spread::Spread};
use crate::{hub::Hub, targets::Targets};

/// The limit in bytes of all open pipes together: about 400 pipes with full windows.
const PIPE_BYTES: usize = 256 << 20;

/// The same, with room for the rest of the process in the memory that the container may use.
pub(crate) fn pipe_bytes(limit: Option<usize>) -> usize {
    limit.map_or(PIPE_BYTES, |limit| PIPE_BYTES.min(limit / 3 * 2))
}

/// What every link shares.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub(crate) hub: Hub,
    pub(crate) targets: Arc<Targets>,
    pub(crate) budget: Budget,
    /// After this there are no new connections, but open ones may finish.
    pub(crate) drain: CancellationToken,
    pub(crate) metrics: Metrics,
    /// True while at least one connection is attached.
    pub(crate) attached: Condition,
    /// Why none could be attached.
    pub(crate) news: Arc<Mutex<News>>,
}

/// The metrics of the links.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// How many connections are attached now.
    pub(crate) connections: Gauge,
    /// How many attempts failed or connections broke.
    pub(crate) failures: Counter,
}

impl Links {
    /// Keeps `count` connections until the drain, or more if there are more replicas. Returns when
    /// the last connection has ended.
    pub(crate) async fn keep(self, count: u8) {
        let spread = Spread::new(count.into());
        let mut changes = spread.changes();
        let mut settling = pin!(spread.clone().settle());
        let mut links = JoinSet::new();
        let mut kept: BTreeMap<u16, CancellationToken> = BTreeMap::new();
        loop {
            changes.mark_unchanged();
            let wanted = usize::from(spread.wanted());
            while kept.len() < wanted {
                let mut numbers = 0..=u16::MAX;
                let free = numbers.find(|number| !kept.contains_key(number));
                let number = free.expect("there are more numbers than links");
                let drain = self.drain.child_token();
                kept.insert(number, drain.clone());
                let shared = Self {
                    drain,
                    ..self.clone()
                };
                let link = Link::new(number, shared, spread.clone());
                links.spawn(link.keep().instrument(info_span!("link", number)));
            }
            while kept.len() > wanted
                && let Some(number) = spread.least_useful(kept.keys().copied())
                && let Some(drain) = kept.remove(&number)
            {
                drain.cancel();
            }
            select! {
                ended = links.join_next() => if ended.is_none() {
                    return;
                },
                Ok(()) = changes.changed(), if !self.drain.is_cancelled() => {}
                never = &mut settling => match never {},
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_leave_room_in_the_memory_of_the_container() {
        assert_eq!(pipe_bytes(Some(96 << 20)), 64 << 20);
        for limit in [None, Some(1 << 40)] {
            assert_eq!(pipe_bytes(limit), PIPE_BYTES);
        }
    }
}
