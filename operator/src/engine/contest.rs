//! Objects that somebody else changes back each time we write them. The operator repairs such an
//! object a few times at once, and then at growing intervals. No I/O, no clock.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    key::Key,
    kind::ObjectKey,
    observed::Observed,
    plan::{Action, Desired, Part},
};

/// How many times an object is repaired without a pause.
const AT_ONCE: u32 = 3;
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// If nobody has changed the object back for this long after a pause, the contest is over.
const SLACK: SignedDuration = SignedDuration::from_secs(10);

/// A write that has to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wait {
    /// Its index among the writes of its plan.
    pub(crate) place: usize,
    pub(crate) until: Timestamp,
}

/// The objects that were repaired lately.
#[derive(Debug, Default)]
pub(crate) struct Contests {
    objects: BTreeMap<(ObjectKey, Part), Repair>,
}

#[derive(Debug)]
struct Repair {
    by: Key,
    /// The hash of what was written.
    hash: u64,
    last: Timestamp,
    /// How many times the same state was written after the first time.
    again: u32,
}

impl Contests {
    /// The first of these writes that has to wait.
    pub(crate) fn waits(&self, actions: &[Action], now: Timestamp) -> Option<Wait> {
        let waits_until = |action: &Action| {
            let (desired, part) = said(action)?;
            let repair = self.objects.get(&(desired.key.clone(), part))?;
            let until = repair.last + repair.pause()?;
            (until > now && repair.hash == hash(desired)).then_some(until)
        };
        let mut waits = actions.iter().map(waits_until).enumerate();
        waits.find_map(|(place, until)| {
            Some(Wait {
                place,
                until: until?,
            })
        })
    }

    /// Records a write that is about to overwrite an existing object. Returns the objects whose state is
    /// written again, because somebody changed them back.
    pub(crate) fn note(
        &mut self,
        by: &Key,
        actions: &[Action],
        observed: &Observed,
        now: Timestamp,
    ) -> Vec<ObjectKey> {
        let mut disputed = Vec::new();
        let over = actions
            .iter()
            .filter_map(said)
            .filter(|(desired, part)| is_there(observed, &desired.key, *part));
        for (desired, part) in over {
            let (place, hash) = ((desired.key.clone(), part), hash(desired));
            let before = self
                .objects
                .get(&place)
                .filter(|it| it.hash == hash && it.ends() > now);
            let again = before.map_or(0, |before| before.again + 1);
            if again > 0 {
                disputed.push(desired.key.clone());
            }
            let repair = Repair {
                by: by.clone(),
                hash,
                last: now,
                again,
            };
            self.objects.insert(place, repair);
        }
        disputed
    }

    /// True if the object was written lately.
    pub(crate) fn has(&self, key: &ObjectKey) -> bool {
        let parts = [Part::Object, Part::Status];
        let places = parts.map(|part| (key.clone(), part));
        places.iter().any(|place| self.objects.contains_key(place))
    }

    /// Until when the objects of a key count as contested if nothing else happens.
    pub(crate) fn lasts(&self, by: &Key, now: Timestamp) -> Option<Timestamp> {
        let own = self.objects.values().filter(|it| it.by == *by);
        let contested = own.filter(|it| it.pause().is_some());
        contested.map(Repair::ends).filter(|end| *end > now).max()
    }

    /// Forgets contests that are over.
    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        self.objects.retain(|_, repair| repair.ends() > now);
    }
}

impl Repair {
    /// How long the next write waits. `None` if it may be made now.
    fn pause(&self) -> Option<SignedDuration> {
        let doublings = self.again.checked_sub(AT_ONCE)?.min(8);
        Some(
            FIRST_PAUSE
                .saturating_mul(1 << doublings)
                .min(LONGEST_PAUSE),
        )
    }

    fn ends(&self) -> Timestamp {
        self.last + self.pause().unwrap_or_default() + SLACK
    }
}

/// What an action writes to which part of an object. `None` for actions that do not write the whole
/// desired state.
pub(super) fn said(action: &Action) -> Option<(&Desired, Part)> {
    match action {
        Action::Apply(desired) => Some((desired, Part::Object)),
        Action::ApplyStatus(desired) => Some((desired, Part::Status)),
        Action::Patch { .. }
        | Action::Delete { .. }
        | Action::Approve { .. }
        | Action::Sign { .. }
        | Action::Issue { .. } => None,
    }
}

fn hash(desired: &Desired) -> u64 {
    let mut hasher = DefaultHasher::new();
    desired.body.hash(&mut hasher);
    hasher.finish()
}

/// Whether the part exists already. The write that creates it is not a repair.
fn is_there(observed: &Observed, key: &ObjectKey, part: Part) -> bool {
    let object = observed.object(key);
    object.is_some_and(|it| part == Part::Object || it.data.get("status").is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{kind::Kind, tests::model::Hub};

    fn action(name: &str, says: i32) -> Action {
        let key = ObjectKey::global(Kind::ClusterRole, name);
        Action::Apply(Desired::new(key, json!({"rules": says})))
    }

    #[test]
    fn what_is_changed_back_is_taken_back_ever_more_slowly_and_delays_nothing_else() {
        let mut hub = Hub::new(crds::addon::Version::V1beta1);
        let (contested, other) = (action("contested", 1), action("other", 1));
        for name in ["contested", "other"] {
            let key = ObjectKey::global(Kind::ClusterRole, name);
            hub.write(&key, &json!({"rules": 2}));
        }
        let (mut contests, begin) = (Contests::default(), hub.now);
        let mut now = begin;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let waits = contests.waits(std::slice::from_ref(&contested), now);
            let until = waits.map_or(now, |wait| wait.until);
            pauses.push(until.duration_since(now).as_secs());
            now = until;
            contests.note(
                &Key::Hub,
                std::slice::from_ref(&contested),
                &hub.observed,
                now,
            );
        }
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        let both = [other, contested.clone()];
        assert_eq!(contests.waits(&both, now).map(|wait| wait.place), Some(1));
        // A different state is written without a wait.
        assert_eq!(contests.waits(&[action("contested", 3)], now), None);
        let end = contests.lasts(&Key::Hub, now).unwrap();
        assert_eq!(end.duration_since(now).as_secs(), 70);
        assert_eq!(contests.lasts(&Key::Status, now), None);
        contests.forget_old(end);
        assert_eq!(contests.waits(&[contested], now), None);
    }

    #[test]
    fn making_an_object_is_no_contest() {
        let hub = Hub::new(crds::addon::Version::V1beta1);
        let (mut contests, made) = (Contests::default(), [action("new", 1)]);
        for _ in 0..9 {
            contests.note(&Key::Hub, &made, &hub.observed, hub.now);
        }
        assert_eq!(contests.waits(&made, hub.now), None);
    }
}
