//! The other replicas that are there now. Pure.

use std::collections::BTreeMap;

use tunnel::ReplicaId;

/// The replicas that this one is linked to.
#[derive(Debug, Default)]
pub(super) struct Present {
    others: BTreeMap<ReplicaId, Other>,
    is_found: bool,
}

#[derive(Debug, Default)]
struct Other {
    /// A replica with several addresses has several links.
    links: usize,
    drains: bool,
}

impl Present {
    pub(super) fn join(&mut self, id: &ReplicaId) {
        self.others.entry(id.clone()).or_default().links += 1;
    }

    pub(super) fn drains(&mut self, id: &ReplicaId) {
        if let Some(other) = self.others.get_mut(id) {
            other.drains = true;
        }
    }

    pub(super) fn leave(&mut self, id: &ReplicaId) {
        if let Some(other) = self.others.get_mut(id) {
            other.links -= 1;
            if other.links == 0 {
                self.others.remove(id);
            }
        }
    }

    pub(super) fn found(&mut self) {
        self.is_found = true;
    }

    /// How many replicas there are, including this one. A replica that drains takes no agents.
    pub(super) fn number(&self) -> u16 {
        let others = self.others.values().filter(|other| !other.drains);
        u16::try_from(others.count() + 1).unwrap_or(u16::MAX)
    }

    /// Whether the number must last before agents that were told another one are told it.
    pub(super) fn must_last(&self, told: u16) -> bool {
        self.is_found && self.number() > told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_with_two_addresses_counts_once_until_both_links_are_lost() {
        let mut present = Present::default();
        let id = "one".parse().unwrap();
        present.join(&id);
        present.join(&id);
        assert_eq!(present.number(), 2);
        present.leave(&id);
        assert_eq!(present.number(), 2);
        present.leave(&id);
        assert_eq!(present.number(), 1);
    }
}
