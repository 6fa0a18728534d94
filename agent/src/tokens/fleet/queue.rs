//! Which names to look at next, and which later. Each name is in the queue once, so the number of
//! accounts bounds it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

/// Names that are due now, and names that are due later.
#[derive(Debug, Default)]
pub(super) struct Queue {
    urgent: VecDeque<String>,
    ready: VecDeque<String>,
    /// The line in which each name waits.
    queued: BTreeMap<String, Line>,
    times: BTreeSet<(Timestamp, String)>,
    by_name: BTreeMap<String, Timestamp>,
}

/// The line in which a name waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// Comes before all other names.
    Urgent,
    Ready,
}

impl Queue {
    /// Makes a name due, after all others in its line.
    pub(super) fn touch(&mut self, name: &str, line: Line) {
        if self.enter(name, line) {
            self.line(line).push_back(name.to_owned());
        }
    }

    /// Makes a name due, before all others in its line.
    pub(super) fn touch_first(&mut self, name: &str, line: Line) {
        if self.enter(name, line) {
            self.line(line).push_front(name.to_owned());
        }
    }

    /// Makes a name due at this time, unless something happens before.
    pub(super) fn wait(&mut self, name: &str, until: Timestamp) {
        self.forget_time(name);
        self.times.insert((until, name.to_owned()));
        self.by_name.insert(name.to_owned(), until);
    }

    /// Makes names due whose time has come.
    pub(super) fn wake(&mut self, now: Timestamp) {
        while let Some((at, name)) = self.times.first().cloned() {
            if at > now {
                break;
            }
            self.touch(&name, Line::Ready);
        }
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.times.first().map(|(at, _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<String> {
        let name = self.urgent.pop_front().or_else(|| self.ready.pop_front())?;
        self.queued.remove(&name);
        Some(name)
    }

    /// Notes that a name waits in a line. False if it waits there already, or in a better one.
    fn enter(&mut self, name: &str, line: Line) -> bool {
        self.forget_time(name);
        match self.queued.get(name) {
            Some(known) if *known == line || *known == Line::Urgent => return false,
            Some(Line::Ready) => self.ready.retain(|ready| ready != name),
            Some(Line::Urgent) | None => {}
        }
        self.queued.insert(name.to_owned(), line);
        true
    }

    fn line(&mut self, line: Line) -> &mut VecDeque<String> {
        match line {
            Line::Urgent => &mut self.urgent,
            Line::Ready => &mut self.ready,
        }
    }

    fn forget_time(&mut self, name: &str) {
        if let Some(at) = self.by_name.remove(name) {
            self.times.remove(&(at, name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn revocations_go_first_and_each_name_once() {
        let mut queue = Queue::default();
        queue.touch("new", Line::Ready);
        queue.touch("new", Line::Ready);
        queue.touch_first("begun", Line::Ready);
        queue.touch("dying", Line::Urgent);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["dying", "begun", "new"]);
    }

    #[test]
    fn a_name_that_becomes_urgent_leaves_its_place_and_one_that_is_urgent_stays_so() {
        let mut queue = Queue::default();
        for name in ["a", "b", "c"] {
            queue.touch(name, Line::Ready);
        }
        queue.touch("other", Line::Urgent);
        queue.touch("c", Line::Urgent);
        queue.touch_first("b", Line::Urgent);
        queue.touch("c", Line::Ready);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["b", "other", "c", "a"]);
        queue.touch("c", Line::Ready);
        assert_eq!(queue.pop().as_deref(), Some("c"));
    }

    #[test]
    fn wakes_at_the_time_that_was_named_last() {
        let mut queue = Queue::default();
        queue.wait("a", at(10));
        queue.wait("a", at(20));
        queue.wait("b", at(15));
        queue.wake(at(14));
        assert_eq!((queue.pop(), queue.next_wake()), (None, Some(at(15))));
        queue.wake(at(20));
        assert_eq!(queue.pop().as_deref(), Some("b"));
        assert_eq!(
            (queue.pop().as_deref(), queue.next_wake()),
            (Some("a"), None)
        );
    }
}
