//! All grants, and the standings that result from them. The cost of a change depends only on the
//! clusters and subjects that the changed grant names. Pure: each change brings the time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crds::{
    ClusterName,
    gateway::{Caps, OnHub, UserPrefix},
};
use jiff::Timestamp;

use super::{
    bounds::Bounds,
    claim::{self, Claim},
    reading::{Labels, Obstacle, Reading},
    standings::Standings,
};

/// The clusters on which a change may have taken something from somebody.
pub(super) type Changed = BTreeSet<ClusterName>;

type Claims = BTreeMap<ClusterName, Claim>;

/// All grants.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    prefix: UserPrefix,
    bounds: Bounds,
    grants: HashMap<String, Entry>,
    standings: Standings,
}

/// A grant that a subject has on a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) reading: &'a Reading,
    /// Why it does not count.
    pub(super) obstacle: Option<&'a Obstacle>,
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
        let claims = self.step(known, reading.as_ref(), now, changed);
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

    /// The grants that name a subject and have not ended, on each of their clusters.
    pub(super) fn held_by<'a>(
        &'a self,
        is: impl Fn(&OnHub) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a ClusterName, Held<'a>)> {
        let live = self.grants.values().filter(|entry| !entry.over);
        let named = live.filter_map(move |entry| {
            let who = entry.reading.allowed.named.iter().find(|it| is(it))?;
            Some((entry, who))
        });
        named.flat_map(|(entry, who)| {
            let held = move |(cluster, claim): (&'a ClusterName, &'a Claim)| {
                let obstacle = claim.obstacle(who);
                (
                    cluster,
                    Held {
                        reading: &entry.reading,
                        obstacle,
                    },
                )
            };
            entry.claims.iter().map(held)
        })
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

    /// The most that may be granted.
    pub(super) fn set_caps(&mut self, caps: Caps, now: Timestamp) -> Changed {
        self.bounds.caps = Some(caps);
        self.review(None, now)
    }

    /// All clusters that have labels.
    pub(super) fn replace_labels(
        &mut self,
        labels: HashMap<ClusterName, Labels>,
        now: Timestamp,
    ) -> Changed {
        self.bounds.labels = Some(labels);
        self.review(None, now)
    }

    /// The labels of this cluster.
    pub(super) fn set_labels(
        &mut self,
        cluster: &ClusterName,
        labels: Labels,
        now: Timestamp,
    ) -> Changed {
        let all = self.bounds.labels.get_or_insert_default();
        if labels.is_empty() {
            all.remove(cluster);
        } else {
            all.insert(cluster.clone(), labels);
        }
        self.review(Some(cluster), now)
    }

    /// What is known of the labels of a cluster.
    pub(super) fn labels_of(&self, cluster: &ClusterName) -> &Labels {
        self.bounds.labels_of(cluster)
    }

    /// Reviews what each grant allows, on one cluster or on all, because their bounds have changed.
    fn review(&mut self, only: Option<&ClusterName>, now: Timestamp) -> Changed {
        self.standings.bounds_are_known = self.bounds.are_known();
        let mut changed = Changed::new();
        let mut grants = std::mem::take(&mut self.grants);
        for Entry {
            reading, claims, ..
        } in grants.values_mut()
        {
            let concerned: Vec<_> = match only {
                Some(only) => reading
                    .clusters()
                    .filter(|it| *it == only)
                    .cloned()
                    .collect(),
                None => reading.clusters().cloned().collect(),
            };
            for cluster in concerned {
                let before = claims.remove(&cluster);
                let after = self.claim(before.as_ref(), reading, &cluster, now);
                self.account(&cluster, before.as_ref(), after.as_ref(), &mut changed);
                claims.extend(after.map(|claim| (cluster, claim)));
            }
        }
        self.grants = grants;
        changed
    }

    /// The claims of a grant after a change. Without a reading, the grant no longer exists.
    fn step(
        &mut self,
        known: Option<Entry>,
        reading: Option<&Reading>,
        now: Timestamp,
        changed: &mut Changed,
    ) -> Claims {
        let (former, mut old) = known.map_or_else(Default::default, |known| {
            (Some(known.reading), known.claims)
        });
        let mut clusters: BTreeSet<_> = old.keys().cloned().collect();
        clusters.extend(reading.into_iter().flat_map(Reading::clusters).cloned());
        let mut claims = Claims::new();
        for cluster in clusters {
            let before = old.remove(&cluster);
            let after = reading.and_then(|reading| {
                let is_kept = |former| self.bounds.still_select(former, reading, &cluster);
                let kept = before
                    .as_ref()
                    .filter(|_| former.as_ref().is_some_and(is_kept));
                self.claim(kept, reading, &cluster, now)
            });
            self.account(&cluster, before.as_ref(), after.as_ref(), changed);
            claims.extend(after.map(|claim| (cluster, claim)));
        }
        claims
    }

    /// What a grant allows on a cluster now, if that was `before`.
    fn claim(
        &self,
        before: Option<&Claim>,
        reading: &Reading,
        cluster: &ClusterName,
        now: Timestamp,
    ) -> Option<Claim> {
        let phase = reading.phase(cluster, now);
        let phase = self.bounds.phase(reading, cluster, phase);
        claim::step(before, &reading.allowed, &phase)
    }

    fn account(
        &mut self,
        cluster: &ClusterName,
        before: Option<&Claim>,
        after: Option<&Claim>,
        changed: &mut Changed,
    ) {
        if before == after {
            return;
        }
        changed.insert(cluster.clone());
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
