//! Decides which links are spare, and how many there should be. Pure.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use tunnel::Replica;

/// The limit on the connections that an agent adds because there are more replicas.
const MOST_LINKS: u16 = 4;

/// Which link leads to which replica.
#[derive(Debug)]
pub(crate) struct Seats {
    /// There are at least this many links.
    least: u16,
    /// How many replicas there are, as far as it was taken in.
    replicas: u16,
    /// The oldest first.
    taken: BTreeMap<u64, Taken>,
    next: u64,
}

#[derive(Debug)]
struct Taken {
    link: u16,
    /// With the number of replicas that it told last.
    replica: Replica,
}

impl Seats {
    pub(super) fn new(least: u16) -> Self {
        Self {
            least,
            replicas: 1,
            taken: BTreeMap::new(),
            next: 0,
        }
    }

    /// Adds an entry, and returns its number. If the replica tells a larger number of replicas,
    /// that counts at once.
    pub(super) fn take(&mut self, link: u16, replica: Replica) -> u64 {
        self.replicas = self.replicas.max(replica.of);
        let number = self.next;
        self.next += 1;
        self.taken.insert(number, Taken { link, replica });
        number
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.taken.remove(&number);
    }

    /// Takes note of the number that a replica tells, and returns whether it is another one.
    pub(super) fn hear(&mut self, number: u64, replicas: u16) -> bool {
        let taken = self.taken.get_mut(&number);
        taken.is_some_and(|it| std::mem::replace(&mut it.replica.of, replicas) != replicas)
    }

    /// The largest number that a connected replica tells: one that has just started, or has lost
    /// its links to the others, does not know of all.
    fn told(&self) -> u16 {
        let told = self.taken.values().map(|it| it.replica.of).max();
        told.unwrap_or(self.replicas)
    }

    /// How the number that the replicas tell compares to the one that was taken in.
    pub(super) fn order(&self) -> Ordering {
        self.told().cmp(&self.replicas)
    }

    /// Takes in the number that the replicas tell.
    pub(super) fn settle(&mut self) {
        self.replicas = self.told();
    }

    /// How many links there should be.
    pub(super) fn wanted(&self) -> u16 {
        self.least.max(self.replicas.min(MOST_LINKS))
    }

    /// Whether the link of an entry should look for another replica. The newest doubles do, as many
    /// as there are replicas for which no link is looking yet.
    pub(super) fn is_spare(&self, number: u64) -> bool {
        let doubles = self.doubles();
        let held = self.taken.len() - doubles.len();
        let looking = usize::from(self.wanted()).saturating_sub(self.taken.len());
        let replicas = self.replicas.min(self.told()).min(MOST_LINKS);
        let missing = usize::from(replicas).saturating_sub(held + looking);
        doubles.iter().rev().take(missing).any(|it| *it == number)
    }

    /// The one of these links that is least useful: it leads nowhere, or to the same replica as
    /// another one, or it is the last one.
    pub(super) fn least_useful(
        &self,
        links: impl DoubleEndedIterator<Item = u16> + Clone,
    ) -> Option<u16> {
        let leads = |link: u16| self.taken.values().any(|it| it.link == link);
        let doubles = self.doubles();
        let double = doubles.last().and_then(|number| self.taken.get(number));
        let nowhere = links.clone().rfind(|link| !leads(*link));
        let double = double.map(|it| it.link);
        nowhere.or(double).or_else(|| links.last())
    }

    /// The entries whose replica has an older entry, the oldest first.
    fn doubles(&self) -> Vec<u64> {
        let mut held = BTreeSet::new();
        let doubles = self.taken.iter();
        let doubles = doubles.filter(|(_, taken)| !held.insert(&taken.replica.id));
        doubles.map(|(number, _)| *number).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replica(id: &str, of: u16) -> Replica {
        Replica {
            id: id.parse().unwrap(),
            of,
        }
    }

    #[test]
    fn links_part_until_each_replica_has_one() {
        let mut seats = Seats::new(2);
        let first = seats.take(0, replica("a", 2));
        let second = seats.take(1, replica("a", 2));
        assert!(!seats.is_spare(first), "the older one stays");
        assert!(seats.is_spare(second));
        seats.leave(second);
        let second = seats.take(1, replica("b", 2));
        assert!(!seats.is_spare(second));
        // Replica a has gone, and c has joined.
        seats.leave(first);
        let first = seats.take(0, replica("b", 2));
        assert!(seats.is_spare(first));
        seats.leave(first);
        seats.take(0, replica("c", 2));
        let third = seats.take(2, replica("c", 2));
        assert!(!seats.is_spare(third), "both replicas have one");
    }

    #[test]
    fn one_gateway_takes_all_links() {
        let mut seats = Seats::new(2);
        let taken = [0, 1].map(|link| seats.take(link, replica("a", 1)));
        assert!(taken.iter().all(|number| !seats.is_spare(*number)));
        assert_eq!(seats.wanted(), 2);
    }

    #[test]
    fn a_double_stays_while_another_link_looks_for_the_missing_replica() {
        let mut seats = Seats::new(3);
        let [_, double, third] = ["a", "a", "b"].map(|id| seats.take(0, replica(id, 2)));
        assert!(!seats.is_spare(double));
        seats.leave(third);
        assert!(!seats.is_spare(double), "the third link looks for it");
        let third = seats.take(2, replica("a", 2));
        assert!(seats.is_spare(third) && !seats.is_spare(double));
    }

    #[test]
    fn links_grow_with_the_replicas_up_to_four() {
        for (replicas, links) in [(1, 2), (2, 2), (3, 3), (9, 4)] {
            let mut seats = Seats::new(2);
            let number = seats.take(0, replica("a", 1));
            seats.hear(number, replicas);
            seats.settle();
            assert_eq!(seats.wanted(), links, "{replicas} replicas");
        }
        let mut seats = Seats::new(2);
        for id in ["a", "b", "c", "d"] {
            seats.take(0, replica(id, 9));
        }
        let fifth = seats.take(4, replica("a", 9));
        assert!(!seats.is_spare(fifth), "four will do");
    }

    #[test]
    fn the_largest_number_of_a_connected_replica_counts() {
        let mut seats = Seats::new(2);
        let knows = seats.take(0, replica("a", 3));
        // It has just started, and does not know of the others.
        seats.take(1, replica("b", 1));
        assert_eq!((seats.order(), seats.wanted()), (Ordering::Equal, 3));
        seats.leave(knows);
        assert_eq!((seats.order(), seats.wanted()), (Ordering::Less, 3));
        seats.settle();
        assert_eq!((seats.order(), seats.wanted()), (Ordering::Equal, 2));
    }

    #[test]
    fn no_link_is_spare_once_the_replicas_tell_a_smaller_number() {
        let mut seats = Seats::new(2);
        let [first, second] = [0, 1].map(|link| seats.take(link, replica("a", 2)));
        assert!(seats.is_spare(second));
        seats.hear(first, 1);
        seats.hear(second, 1);
        assert!(!seats.is_spare(second));
    }

    #[test]
    fn the_link_that_goes_is_the_one_that_is_missed_least() {
        let mut seats = Seats::new(2);
        let links = || [0, 1, 2].into_iter();
        seats.take(0, replica("a", 3));
        seats.take(2, replica("b", 3));
        assert_eq!(seats.least_useful(links()), Some(1), "it leads nowhere");
        let double = seats.take(1, replica("a", 3));
        assert_eq!(seats.least_useful(links()), Some(1), "it is a double");
        seats.leave(double);
        seats.take(1, replica("c", 3));
        assert_eq!(seats.least_useful(links()), Some(2), "it is the last");
    }

    proptest! {
        #[test]
        fn whatever_a_balancer_chooses_each_replica_gets_a_link_and_none_loses_its_only_one(
            least in 1..4_u16, replicas in 1..6_u16,
            choices in proptest::collection::vec(0..6_u16, 0..60),
        ) {
            let mut seats = Seats::new(least);
            // In the end it chooses each of them.
            for choice in choices.into_iter().chain((0..replicas).cycle().take(60)) {
                let leads = |link: &u16| seats.taken.values().any(|it| it.link == *link);
                let Some(link) = (0..seats.wanted()).find(|link| !leads(link)) else {
                    continue;
                };
                seats.take(link, replica(&(choice % replicas).to_string(), replicas));
                while let Some(spare) = seats.taken.keys().copied().find(|it| seats.is_spare(*it)) {
                    let left = held(&seats);
                    seats.leave(spare);
                    prop_assert_eq!(held(&seats), left);
                }
            }
            prop_assert_eq!(held(&seats), usize::from(replicas.min(MOST_LINKS)));
            prop_assert_eq!(seats.taken.len(), usize::from(seats.wanted()));
        }
    }

    /// The number of replicas that have a link.
    fn held(seats: &Seats) -> usize {
        seats.taken.len() - seats.doubles().len()
    }
}
