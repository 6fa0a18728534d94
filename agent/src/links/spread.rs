//! Tracks which replica of the gateway each connection leads to. A load balancer picks replicas at
//! random, so a connection to an already connected replica is replaced until each replica has one.
//! No I/O.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;
use tunnel::{Replica, ReplicaId};

/// The limit on the connections that an agent adds because there are more replicas.
const MOST_LINKS: u16 = 4;

/// The replicas that links lead to. Clones share the state.
#[derive(Clone, Debug)]
pub(super) struct Spread(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seats: Mutex<BTreeMap<u16, ReplicaId>>,
    /// How many links there should be.
    wanted: watch::Sender<u16>,
}

/// A link's entry for a replica. Dropping it removes the entry.
#[derive(Debug)]
pub(super) struct Seat {
    spread: Spread,
    link: u16,
    /// Another link leads to the same replica, while some replica has no link.
    pub(super) is_spare: bool,
}

impl Spread {
    /// Starts without entries, for `count` links.
    pub(super) fn new(count: u16) -> Self {
        Self(Arc::new(Shared {
            seats: Mutex::default(),
            wanted: watch::channel(count).0,
        }))
    }

    /// How many links there should be. The value changes with the number of replicas.
    pub(super) fn wanted(&self) -> watch::Receiver<u16> {
        self.0.wanted.subscribe()
    }

    /// Records that a link has attached to a replica. A gateway that does not name its replica has
    /// only one.
    pub(super) fn sit(&self, link: u16, replica: Option<&Replica>) -> Seat {
        let is_spare = replica.is_some_and(|replica| self.counts(link, replica));
        Seat {
            spread: self.clone(),
            link,
            is_spare,
        }
    }

    /// Adds the entry, and returns whether the link is spare.
    fn counts(&self, link: u16, replica: &Replica) -> bool {
        let most = replica.of.min(MOST_LINKS);
        let grow = |wanted: &mut u16| std::mem::replace(wanted, (*wanted).max(most)) < most;
        self.0.wanted.send_if_modified(grow);
        let mut seats = self.0.seats.lock();
        let is_double = seats.values().any(|id| *id == replica.id);
        seats.insert(link, replica.id.clone());
        let mut held: Vec<_> = seats.values().collect();
        held.sort_unstable();
        held.dedup();
        is_double && held.len() < most.into()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.spread.0.seats.lock().remove(&self.link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(id: &str, of: u16) -> Replica {
        Replica {
            id: id.parse().unwrap(),
            of,
        }
    }

    #[test]
    fn links_part_until_each_replica_has_one() {
        let spread = Spread::new(2);
        let sit = |link, id, of| spread.sit(link, Some(&replica(id, of)));
        let first = sit(0, "a", 2);
        assert!(!first.is_spare);
        assert!(sit(1, "a", 2).is_spare, "it gives its place back");
        let second = sit(1, "b", 2);
        assert!(!second.is_spare);
        drop(first);
        // Replica a has gone, and c has joined.
        assert!(sit(0, "b", 2).is_spare);
        let third = sit(0, "c", 2);
        assert!(!third.is_spare);
        assert!(!sit(2, "c", 2).is_spare, "both replicas have one");
    }

    #[test]
    fn one_gateway_takes_all_links() {
        let spread = Spread::new(2);
        let seats = [0, 1].map(|link| spread.sit(link, Some(&replica("a", 1))));
        assert!(seats.iter().all(|seat| !seat.is_spare));
        let unnamed = [2, 3].map(|link| spread.sit(link, None));
        assert!(unnamed.iter().all(|seat| !seat.is_spare));
        assert_eq!(*spread.wanted().borrow(), 2);
    }

    #[test]
    fn links_grow_with_the_replicas_up_to_four() {
        let spread = Spread::new(2);
        let wanted = spread.wanted();
        for (of, links) in [(1, 2), (3, 3), (2, 3), (9, 4)] {
            drop(spread.sit(0, Some(&replica("a", of))));
            assert_eq!(*wanted.borrow(), links, "{of} replicas");
        }
        let _seats = ["a", "b", "c", "d"].map(|id| {
            let link = id.as_bytes()[0].into();
            spread.sit(link, Some(&replica(id, 9)))
        });
        assert!(
            !spread.sit(9, Some(&replica("a", 9))).is_spare,
            "four will do"
        );
    }
}
