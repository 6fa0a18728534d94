//! All grants, and the standings that result from them. The cost of a change depends only on the
//! clusters and subjects that the changed grant names. Pure: each change brings the time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crds::{ClusterName, gateway::UserPrefix};
use jiff::Timestamp;

use super::{
    claim::{self, Claim},
    reading::Reading,
    standings::Standings,
};

/// The clusters on which a change may have taken something from somebody.
pub(super) type Changed = BTreeSet<ClusterName>;

type Claims = BTreeMap<ClusterName, Claim>;

/// All grants.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    prefix: UserPrefix,
    grants: HashMap<String, Entry>,
    standings: Standings,
}

#[derive(Debug)]
struct Entry {
    reading: Reading,
    claims: Claims,
    /// It was already over at the last change.
    over: bool,
}

impl Ledger {
    /// None is known yet.
    pub(super) fn new(prefix: UserPrefix) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }

    /// The standings that result.
    pub(super) fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Replaces all grants by these.
    pub(super) fn replace(&mut self, all: Vec<(String, Reading)>, now: Timestamp) -> Changed {
        let mut changed = Changed::new();
        let named: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let known = self.grants.keys();
        let gone: Vec<_> = known
            .filter(|it| !named.contains(it.as_str()))
            .cloned()
            .collect();
        for name in gone {
            self.set(&name, None, now, &mut changed);
        }
        for (name, reading) in all {
            self.set(&name, Some(reading), now, &mut changed);
        }
        self.standings.listed = true;
        changed
    }

    /// Adds or replaces a grant, or removes it.
    pub(super) fn set(
        &mut self,
        name: &str,
        reading: Option<Reading>,
        now: Timestamp,
        changed: &mut Changed,
    ) {
        let known = self.grants.remove(name);
        let old = known.map(|known| known.claims).unwrap_or_default();
        let claims = self.step(old, reading.as_ref(), now, changed);
        if let Some(reading) = reading {
            let over = reading.is_over(now);
            let entry = Entry {
                reading,
                claims,
                over,
            };
            self.grants.insert(name.to_owned(), entry);
        }
    }

    /// When the next grant expires.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        let lasting = self.grants.values().filter(|entry| !entry.over);
        lasting.filter_map(|entry| entry.reading.ends()).min()
    }

    /// Ends the grants that have expired by `now`.
    pub(super) fn pass(&mut self, now: Timestamp) -> Changed {
        let mut changed = Changed::new();
        let ends_now = |entry: &Entry| !entry.over && entry.reading.is_over(now);
        let ended: Vec<_> = self
            .grants
            .iter()
            .filter(|(_, entry)| ends_now(entry))
            .map(|(name, entry)| (name.clone(), entry.reading.clone()))
            .collect();
        for (name, reading) in ended {
            self.set(&name, Some(reading), now, &mut changed);
        }
        changed
    }

    /// A grant was ever used on exactly these clusters.
    pub(super) fn replace_used(&mut self, used: HashSet<ClusterName>) -> Changed {
        let old = &self.standings.used;
        let changed = used.symmetric_difference(old).cloned().collect();
        self.standings.used = Arc::new(used);
        self.standings.use_is_known = true;
        changed
    }

    /// Whether a grant was ever used on this cluster.
    pub(super) fn set_used(&mut self, cluster: &ClusterName, is_used: bool) -> Changed {
        let used = Arc::make_mut(&mut self.standings.used);
        let differs = if is_used {
            used.insert(cluster.clone())
        } else {
            used.remove(cluster)
        };
        differs.then(|| cluster.clone()).into_iter().collect()
    }

    /// The claims of a grant after a change. Without a reading, the grant no longer exists.
    fn step(
        &mut self,
        mut old: Claims,
        reading: Option<&Reading>,
        now: Timestamp,
        changed: &mut Changed,
    ) -> Claims {
        let mut clusters: BTreeSet<_> = old.keys().cloned().collect();
        clusters.extend(reading.into_iter().flat_map(Reading::clusters).cloned());
        let mut claims = Claims::new();
        for cluster in clusters {
            let before = old.remove(&cluster);
            let after = reading.and_then(|reading| {
                let phase = reading.phase(&cluster, now);
                claim::step(before.as_ref(), &reading.allowed, &phase)
            });
            if before != after {
                self.account(&cluster, before.as_ref(), after.as_ref());
                changed.insert(cluster.clone());
            }
            claims.extend(after.map(|claim| (cluster, claim)));
        }
        claims
    }

    fn account(&mut self, cluster: &ClusterName, before: Option<&Claim>, after: Option<&Claim>) {
        for (who, share) in before.into_iter().flat_map(Claim::shares) {
            self.standings.withdraw(who, cluster, &share);
        }
        for (who, share) in after.into_iter().flat_map(Claim::shares) {
            self.standings.add(&self.prefix, who, cluster, &share);
        }
    }
}

#[cfg(test)]
mod tests;
