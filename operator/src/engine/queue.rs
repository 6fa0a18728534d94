//! Which keys to plan, and when. Each key has its own entry, so that one that is slow or broken
//! delays no other. Pure; takes `now`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::key::Key;

const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(250);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// The keys that are waiting to be planned.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<Key, Entry>,
    /// The keys of clusters that are not in progress, by the time at which they start.
    of_clusters: BTreeSet<(Timestamp, Key)>,
    /// The same for all other keys.
    of_all: BTreeSet<(Timestamp, Key)>,
}

/// Which keys may start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Room {
    Any,
    /// Those that belong to no cluster, so that they do not wait for slow clusters.
    OfAll,
    /// The configuration's status.
    Status,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    due: Option<Timestamp>,
    is_running: bool,
    failures: u32,
    /// The key does not start before this time, because it failed.
    not_before: Option<Timestamp>,
}

impl Queue {
    /// Plans the key at this time, or earlier if that was requested before.
    pub(crate) fn touch(&mut self, key: &Key, at: Timestamp) {
        self.change(key, |entry| entry.want(at));
    }

    /// Takes the next key that is due and may start, and marks it as in progress.
    pub(crate) fn next(&mut self, room: Room, now: Timestamp) -> Option<Key> {
        let first = self.first(room).filter(|(starts, _)| *starts <= now);
        let (_, key) = first?.clone();
        self.begin(&key);
        Some(key)
    }

    /// The key succeeded. It is planned again at `wake`.
    pub(crate) fn done(&mut self, key: &Key, wake: Option<Timestamp>) {
        self.change(key, |entry| {
            let due = [entry.due, wake].into_iter().flatten().min();
            *entry = Entry {
                due,
                ..Entry::default()
            };
        });
    }

    /// The key failed. It is tried again after a growing pause.
    pub(crate) fn failed(&mut self, key: &Key, retry_after: Option<Duration>, now: Timestamp) {
        self.change(key, |entry| {
            let doublings = entry.failures.min(8);
            let pause = FIRST_PAUSE
                .saturating_mul(1 << doublings)
                .min(LONGEST_PAUSE);
            let asked = retry_after.and_then(|pause| SignedDuration::try_from(pause).ok());
            let pause = asked.map_or(pause, |asked| asked.max(pause));
            let again = now.checked_add(pause).unwrap_or(now);
            entry.is_running = false;
            entry.failures += 1;
            entry.not_before = Some(again);
            entry.want(again);
        });
    }

    /// The reason of the failure may be gone: the key is tried again at once.
    pub(crate) fn forgive(&mut self, key: &Key, now: Timestamp) {
        let waits = |entry: &Entry| entry.not_before.is_some();
        if self.entries.get(key).is_some_and(waits) {
            self.change(key, |entry| {
                entry.not_before = None;
                entry.want(now);
            });
        }
    }

    /// When the next key is due that may start.
    pub(crate) fn next_due(&self, room: Room) -> Option<Timestamp> {
        self.first(room).map(|(starts, _)| *starts)
    }

    fn first(&self, room: Room) -> Option<&(Timestamp, Key)> {
        if room == Room::Status {
            let starts = self.entries.get(&Key::Status)?.starts()?;
            return self.of_all.get(&(starts, Key::Status));
        }
        let of_clusters = self.of_clusters.first().filter(|_| room == Room::Any);
        of_clusters.into_iter().chain(self.of_all.first()).min()
    }

    /// How many keys wait.
    pub(crate) fn depth(&self) -> usize {
        self.of_clusters.len() + self.of_all.len()
    }

    fn begin(&mut self, key: &Key) {
        self.change(key, |entry| {
            entry.is_running = true;
            entry.due = None;
        });
    }

    /// Changes an entry and keeps the sorted sets in step with it.
    fn change(&mut self, key: &Key, change: impl FnOnce(&mut Entry)) {
        let mut entry = self.entries.remove(key).unwrap_or_default();
        let before = entry.starts();
        change(&mut entry);
        let after = entry.starts();
        if before != after {
            let waiting = match key {
                Key::Cluster(_) | Key::Access(_) => &mut self.of_clusters,
                Key::Hub | Key::Grant(_) | Key::Status => &mut self.of_all,
            };
            if let Some(before) = before {
                waiting.remove(&(before, key.clone()));
            }
            waiting.extend(after.map(|after| (after, key.clone())));
        }
        if entry.is_running || entry.due.is_some() {
            self.entries.insert(key.clone(), entry);
        }
    }
}

impl Entry {
    fn want(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When the key starts. `None` while it is in progress.
    fn starts(&self) -> Option<Timestamp> {
        self.due
            .max(self.not_before)
            .filter(|_| self.due.is_some() && !self.is_running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    fn cluster(name: &str) -> Key {
        Key::Cluster(name.to_owned())
    }

    #[test]
    fn a_key_is_worked_on_once_at_a_time_and_again_where_it_changed_meanwhile() {
        let mut queue = Queue::default();
        queue.touch(&Key::Hub, at(0));
        assert_eq!(queue.next(Room::Any, at(0)), Some(Key::Hub));
        queue.touch(&Key::Hub, at(1));
        assert_eq!(queue.next(Room::Any, at(1)), None);
        queue.done(&Key::Hub, None);
        assert_eq!(queue.next(Room::Any, at(1)), Some(Key::Hub));
        queue.done(&Key::Hub, Some(at(50)));
        assert_eq!(queue.next(Room::Any, at(49)), None);
        assert_eq!(queue.next_due(Room::Any), Some(at(50)));
        assert_eq!(queue.next(Room::Any, at(50)), Some(Key::Hub));
    }

    #[test]
    fn one_that_fails_waits_ever_longer_and_delays_no_other() {
        let mut queue = Queue::default();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            queue.touch(&cluster("bad"), now);
            let due = queue.next_due(Room::Any).unwrap();
            pauses.push(due.duration_since(now).as_millis());
            now = due;
            assert_eq!(queue.next(Room::Any, now), Some(cluster("bad")));
            queue.failed(&cluster("bad"), None, now);
            queue.touch(&cluster("good"), now);
            assert_eq!(queue.next(Room::Any, now), Some(cluster("good")));
            queue.done(&cluster("good"), None);
        }
        assert_eq!(pauses[..4], [0, 250, 500, 1000]);
        assert_eq!(pauses[11], 60_000);
        let due = queue.next_due(Room::Any).unwrap();
        assert_eq!(queue.next(Room::Any, due), Some(cluster("bad")));
        queue.done(&cluster("bad"), None);
        assert_eq!(queue.next_due(Room::Any), None);
    }

    #[test]
    fn one_whose_obstacle_changes_is_tried_again_at_once() {
        let mut queue = Queue::default();
        queue.touch(&Key::Hub, at(0));
        queue.next(Room::Any, at(0));
        queue.failed(&Key::Hub, Some(Duration::from_secs(5)), at(0));
        queue.forgive(&Key::Status, at(1));
        assert_eq!(queue.depth(), 1);
        queue.forgive(&Key::Hub, at(1));
        assert_eq!(queue.next(Room::Any, at(1)), Some(Key::Hub));
        // It fails again, and waits longer than before.
        queue.failed(&Key::Hub, None, at(1));
        assert_eq!(queue.next_due(Room::Any), Some(at(501)));
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it() {
        let mut queue = Queue::default();
        queue.touch(&Key::Hub, at(0));
        queue.next(Room::Any, at(0));
        queue.failed(&Key::Hub, Some(Duration::from_secs(5)), at(0));
        assert_eq!(queue.next_due(Room::Any), Some(at(5000)));
    }

    #[test]
    fn what_is_no_clusters_does_not_wait_for_clusters() {
        let mut queue = Queue::default();
        let grant = Key::Grant("g".to_owned());
        for key in [&cluster("slow"), &Key::Status, &grant, &Key::Hub] {
            queue.touch(key, at(0));
        }
        assert_eq!(queue.depth(), 4);
        assert_eq!(queue.next(Room::OfAll, at(0)), Some(Key::Hub));
        assert_eq!(queue.next(Room::OfAll, at(0)), Some(grant));
        assert_eq!(queue.next(Room::OfAll, at(0)), Some(Key::Status));
        assert_eq!(queue.next(Room::OfAll, at(0)), None);
        assert_eq!(queue.next(Room::Any, at(0)), Some(cluster("slow")));
        assert_eq!(queue.depth(), 0);
    }
}
