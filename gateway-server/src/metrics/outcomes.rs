//! How the requests to one managed cluster ended, by resource, verb and status. One look-up counts a
//! request for all metrics that are derived from this, and it allocates nothing once the outcome is
//! known.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use parking_lot::RwLock;

use super::resource::Resource;
use crate::verb::Verb;

/// Upper bounds in seconds, those of the Go program.
pub(super) const BOUNDS: [f64; 12] = [
    0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];

/// How many outcomes of all clusters are told apart by resource. The others are of
/// [`Resource::OTHER`]: a fleet of thousands would make pages of metrics that nobody can scrape.
const MOST_NAMED: usize = 10_000;

/// What requests asked for, and what became of them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Outcome {
    resource: Resource,
    verb: Verb,
    code: StatusCode,
}

/// The outcomes of one cluster.
#[derive(Debug)]
pub(super) struct Outcomes {
    seen: RwLock<HashMap<Outcome, Durations>>,
    named: Named,
}

/// How many outcomes of all clusters have a resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Named(Arc<AtomicUsize>);

/// How long requests took.
#[derive(Debug, Default)]
pub(super) struct Durations {
    /// How many there were up to each bound and above the one before, and at last above all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Outcome {
    /// Statuses without a meaning count as the first of their class (RFC 9110 §15), because a cluster
    /// may answer any.
    pub(crate) fn new(resource: Resource, verb: Verb, code: StatusCode) -> Self {
        let code = match (code.canonical_reason(), code.as_u16() / 100) {
            (Some(_), _) => code,
            (None, 1) => StatusCode::CONTINUE,
            (None, 2) => StatusCode::OK,
            (None, 3) => StatusCode::MULTIPLE_CHOICES,
            (None, 4) => StatusCode::BAD_REQUEST,
            (None, _) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            resource,
            verb,
            code,
        }
    }

    pub(super) fn labels(&self) -> (&'static str, &'static str, &str) {
        (self.resource.name(), self.verb.name(), self.code.as_str())
    }

    pub(super) fn verb_and_code(self) -> (Verb, StatusCode) {
        (self.verb, self.code)
    }

    fn of_no_resource(mut self) -> Self {
        self.resource = Resource::OTHER;
        self
    }
}

impl Outcomes {
    pub(super) fn new(named: Named) -> Self {
        let seen = RwLock::default();
        Self { seen, named }
    }

    /// Counts a request.
    pub(super) fn count(&self, outcome: Outcome, took: Duration) {
        if self.count_seen(outcome, took) {
            return;
        }
        let outcome = if self.named.has_room() {
            outcome
        } else {
            outcome.of_no_resource()
        };
        if self.count_seen(outcome, took) {
            return;
        }
        let mut seen = self.seen.write();
        let durations = seen.entry(outcome).or_insert_with(|| {
            self.named.add(usize::from(outcome.is_named()));
            Durations::default()
        });
        durations.add(took);
    }

    fn count_seen(&self, outcome: Outcome, took: Duration) -> bool {
        let seen = self.seen.read();
        seen.get(&outcome).map(|it| it.add(took)).is_some()
    }

    /// All of them, in order.
    pub(super) fn each(
        &self,
        mut see: impl FnMut(&Outcome, &Durations) -> std::fmt::Result,
    ) -> std::fmt::Result {
        let seen = self.seen.read();
        let in_order: BTreeMap<_, _> = seen.iter().collect();
        in_order
            .into_iter()
            .try_for_each(|(outcome, it)| see(outcome, it))
    }

    /// How many requests there were, by a part of their outcomes.
    pub(super) fn by<K: Ord>(&self, part: impl Fn(Outcome) -> K) -> BTreeMap<K, u64> {
        let mut counts = BTreeMap::new();
        for (outcome, durations) in self.seen.read().iter() {
            *counts.entry(part(*outcome)).or_default() += durations.count();
        }
        counts
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        let seen = self.seen.get_mut();
        let named = seen.keys().filter(|it| it.is_named()).count();
        self.named.0.fetch_sub(named, Ordering::Relaxed);
    }
}

impl Outcome {
    fn is_named(self) -> bool {
        self.resource != Resource::OTHER
    }
}

impl Named {
    fn has_room(&self) -> bool {
        self.0.load(Ordering::Relaxed) < MOST_NAMED
    }

    fn add(&self, more: usize) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

impl Durations {
    fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts
            .iter()
            .map(|it| it.load(Ordering::Relaxed))
            .sum()
    }

    pub(super) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// Each bound with its count, and at last the largest number.
    pub(super) fn buckets(&self) -> [(f64, u64); BOUNDS.len() + 1] {
        std::array::from_fn(|place| {
            let bound = BOUNDS.get(place).copied().unwrap_or(f64::MAX);
            (bound, self.counts[place].load(Ordering::Relaxed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_no_standard_has_is_the_first_of_its_class() {
        let table = [
            (200, "200"),
            (418, "418"),
            (299, "200"),
            (444, "400"),
            (599, "500"),
            (777, "500"),
        ];
        for (code, wanted) in table {
            let code = StatusCode::from_u16(code).unwrap();
            let outcome = Outcome::new(Resource::OTHER, Verb::Get, code);
            assert_eq!(outcome.labels().2, wanted);
        }
    }

    #[test]
    fn durations_are_counted_up_to_their_bound() {
        let durations = Durations::default();
        for milliseconds in [0, 5, 6, 31_000] {
            durations.add(Duration::from_millis(milliseconds));
        }
        let counts = durations.buckets().map(|(_, count)| count);
        assert_eq!(counts, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(durations.count(), 4);
        assert!((durations.seconds() - 31.011).abs() < 1e-9);
    }

    #[test]
    fn when_too_many_outcomes_are_told_apart_further_ones_are_of_no_resource() {
        let named = Named::default();
        let full = Outcomes::new(named.clone());
        let pods = Outcome::new(Resource::of("pods"), Verb::Get, StatusCode::OK);
        let took = Duration::ZERO;
        full.count(pods, took);
        named.add(MOST_NAMED);
        let next = Outcomes::new(named.clone());
        next.count(pods, took);
        full.count(pods, took);
        let resources = |it: &Outcomes| it.by(|outcome| outcome.resource);
        assert_eq!(resources(&full), [(Resource::of("pods"), 2)].into());
        assert_eq!(resources(&next), [(Resource::OTHER, 1)].into());
        // A cluster that is gone makes room.
        drop(full);
        assert_eq!(named.0.load(Ordering::Relaxed), MOST_NAMED);
    }
}
