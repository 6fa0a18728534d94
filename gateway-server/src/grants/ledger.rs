//! All grants, and the standings that result from them. The cost of a change depends only on the
//! clusters and subjects that the changed grant names. Pure: each change brings the time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crds::{ClusterName, gateway::OnCluster};
use jiff::Timestamp;

use super::{
    claim::{self, Claim, Step},
    reading::{Phase, Reading, Subjects},
    standings::Standings,
};

/// The subjects whose streams must end, by cluster.
pub(super) type Cuts = BTreeMap<ClusterName, BTreeSet<OnCluster>>;

type Claims = BTreeMap<ClusterName, Claim>;

/// All grants.
#[derive(Debug, Default)]
pub(super) struct Ledger {
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
    /// The standings that result.
    pub(super) fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Replaces all grants by these.
    pub(super) fn replace(&mut self, all: Vec<(String, Reading)>, now: Timestamp) -> Cuts {
        let mut cuts = Cuts::new();
        let named: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let known = self.grants.keys();
        let gone: Vec<_> = known
            .filter(|it| !named.contains(it.as_str()))
            .cloned()
            .collect();
        for name in gone {
            self.set(&name, None, now, &mut cuts);
        }
        for (name, reading) in all {
            self.set(&name, Some(reading), now, &mut cuts);
        }
        self.standings.listed = true;
        cuts
    }

    /// Adds or replaces a grant, or removes it.
    pub(super) fn set(
        &mut self,
        name: &str,
        reading: Option<Reading>,
        now: Timestamp,
        cuts: &mut Cuts,
    ) {
        let known = self.grants.remove(name);
        let uid = known.as_ref().map(|known| known.reading.uid.clone());
        let mut claims = known.map(|known| known.claims).unwrap_or_default();
        let Some(reading) = reading else {
            self.step(claims, None, now, cuts);
            return;
        };
        if uid.is_some_and(|uid| uid != reading.uid) {
            claims = self.step(claims, None, now, cuts);
        }
        let entry = Entry {
            claims: self.step(claims, Some(&reading), now, cuts),
            over: reading.is_over(now),
            reading,
        };
        self.grants.insert(name.to_owned(), entry);
    }

    /// When the next grant expires.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        let lasting = self.grants.values().filter(|entry| !entry.over);
        lasting.filter_map(|entry| entry.reading.ends()).min()
    }

    /// Ends the grants that have expired by `now`.
    pub(super) fn pass(&mut self, now: Timestamp) -> Cuts {
        let mut cuts = Cuts::new();
        let ends_now = |entry: &Entry| !entry.over && entry.reading.is_over(now);
        let ended: Vec<_> = self
            .grants
            .iter()
            .filter(|(_, entry)| ends_now(entry))
            .map(|(name, entry)| (name.clone(), entry.reading.clone()))
            .collect();
        for (name, reading) in ended {
            self.set(&name, Some(reading), now, &mut cuts);
        }
        cuts
    }

    /// The claims of a grant after a change. Without a reading, the grant no longer exists.
    fn step(
        &mut self,
        mut old: Claims,
        reading: Option<&Reading>,
        now: Timestamp,
        cuts: &mut Cuts,
    ) -> Claims {
        let mut clusters: BTreeSet<_> = old.keys().cloned().collect();
        clusters.extend(reading.into_iter().flat_map(Reading::clusters).cloned());
        let nobody = Subjects::default();
        let mut claims = Claims::new();
        for cluster in clusters {
            let before = old.remove(&cluster);
            let Step { claim, cut } = match reading {
                Some(reading) => {
                    let phase = reading.phase(&cluster, now);
                    let (named, generation) = (&reading.named, reading.generation);
                    claim::step(before.as_ref(), named, generation, &phase)
                }
                None => claim::step(before.as_ref(), &nobody, 0, &Phase::Gone),
            };
            if before != claim {
                self.account(&cluster, before.as_ref(), claim.as_ref());
            }
            if !cut.is_empty() {
                cuts.entry(cluster.clone()).or_default().extend(cut);
            }
            claims.extend(claim.map(|claim| (cluster, claim)));
        }
        claims
    }

    fn account(&mut self, cluster: &ClusterName, before: Option<&Claim>, after: Option<&Claim>) {
        for (who, share) in before.into_iter().flat_map(Claim::shares) {
            self.standings.withdraw(who, cluster, &share);
        }
        for (who, share) in after.into_iter().flat_map(Claim::shares) {
            self.standings.add(who, cluster, &share);
        }
    }
}

#[cfg(test)]
mod tests;
