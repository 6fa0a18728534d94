//! Objects that ended while calls are in progress. The answer to such a call may be older than the
//! end, and must not bring the object back. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::kind::ObjectKey;

/// Identifies a call that is in progress.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct CallId(u64);

/// The objects that ended since the oldest call began that is still in progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tombstones {
    begun: u64,
    running: BTreeSet<CallId>,
    /// How many calls had begun when the object of this uid ended.
    ended: BTreeMap<(ObjectKey, String), u64>,
}

impl Tombstones {
    /// A call begins.
    pub(crate) fn begin(&mut self) -> CallId {
        let call = CallId(self.begun);
        self.begun += 1;
        self.running.insert(call);
        call
    }

    /// The answer of the call is taken in.
    pub(crate) fn end(&mut self, call: CallId) {
        self.running.remove(&call);
        let oldest = self.running.first().map(|call| call.0);
        self.ended
            .retain(|_, begun| oldest.is_some_and(|oldest| oldest < *begun));
    }

    /// All calls were given up.
    pub(crate) fn end_all(&mut self) {
        self.running.clear();
        self.ended.clear();
    }

    /// The object has ended.
    pub(super) fn bury(&mut self, key: &ObjectKey, uid: Option<&str>) {
        if let Some(uid) = uid.filter(|_| !self.running.is_empty()) {
            self.ended.insert((key.clone(), uid.to_owned()), self.begun);
        }
    }

    /// A watch says that the object is there.
    pub(super) fn unearth(&mut self, key: &ObjectKey, uid: Option<&str>) {
        if let Some(uid) = uid.filter(|_| !self.ended.is_empty()) {
            self.ended.remove(&(key.clone(), uid.to_owned()));
        }
    }

    /// True if the object has ended, whatever an answer says of it.
    pub(super) fn has(&self, key: &ObjectKey, uid: Option<&str>) -> bool {
        let object = uid.filter(|_| !self.ended.is_empty());
        object.is_some_and(|uid| self.ended.contains_key(&(key.clone(), uid.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn an_end_is_remembered_for_as_long_as_a_call_runs_that_began_before_it() {
        let mut tombstones = Tombstones::default();
        let key = ObjectKey::global(Kind::Namespace, "a");
        tombstones.bury(&key, Some("0"));
        assert!(!tombstones.has(&key, Some("0")), "no call runs");
        let (first, second) = (tombstones.begin(), tombstones.begin());
        tombstones.bury(&key, Some("1"));
        let third = tombstones.begin();
        assert!(tombstones.has(&key, Some("1")) && !tombstones.has(&key, Some("2")));
        tombstones.end(first);
        assert!(tombstones.has(&key, Some("1")));
        tombstones.end(second);
        assert!(!tombstones.has(&key, Some("1")));
        assert!(tombstones.ended.is_empty());
        tombstones.bury(&key, Some("3"));
        tombstones.unearth(&key, Some("3"));
        assert!(!tombstones.has(&key, Some("3")));
        tombstones.end(third);
    }
}
