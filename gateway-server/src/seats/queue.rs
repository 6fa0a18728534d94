//! Who waits for a place, and whose turn it is. Pure. Each key has a line of its own, and the lines
//! take turns, so that a long line makes only its own key wait longer.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// The lines, one for each key that somebody waits for. `W` is what the one who waits left behind.
#[derive(Debug)]
pub(super) struct Queue<K, W> {
    lines: HashMap<K, Line<W>>,
    /// The lines that may have the next place, the one that has waited longest first.
    turns: BTreeMap<u64, K>,
    /// The next number of a ticket or a turn.
    next: u64,
    length: usize,
}

/// Tells one who waits from the others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Ticket(u64);

#[derive(Debug)]
struct Line<W> {
    waiting: BTreeMap<Ticket, W>,
    /// `None` while its key may have no more places.
    turn: Option<u64>,
}

impl<K, W> Default for Queue<K, W> {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            turns: BTreeMap::new(),
            next: 0,
            length: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, W> Queue<K, W> {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// How many wait in the line of a key.
    pub(super) fn len_of(&self, key: &K) -> usize {
        self.lines.get(key).map_or(0, |line| line.waiting.len())
    }

    /// Appends to the line of a key. `may_have_more` says whether the key may have the next place; it
    /// counts only if nobody was in the line.
    pub(super) fn push(&mut self, key: &K, waiter: W, may_have_more: bool) -> Ticket {
        let ticket = Ticket(self.number());
        if let Some(line) = self.lines.get_mut(key) {
            line.waiting.insert(ticket, waiter);
        } else {
            let line = Line {
                waiting: [(ticket, waiter)].into(),
                turn: None,
            };
            self.lines.insert(key.clone(), line);
            if may_have_more {
                self.resume(key);
            }
        }
        self.length += 1;
        ticket
    }

    /// Removes the first one of the line whose turn it is. The line goes behind the others.
    pub(super) fn pop(&mut self) -> Option<(K, W)> {
        let (_, key) = self.turns.pop_first()?;
        let line = self.lines.get_mut(&key)?;
        line.turn = None;
        let (_, waiter) = line.waiting.pop_first()?;
        self.length -= 1;
        if line.waiting.is_empty() {
            self.lines.remove(&key);
        } else {
            self.resume(&key);
        }
        Some((key, waiter))
    }

    /// The key may have no more places: its line is passed over.
    pub(super) fn pause(&mut self, key: &K) {
        if let Some(line) = self.lines.get_mut(key)
            && let Some(turn) = line.turn.take()
        {
            self.turns.remove(&turn);
        }
    }

    /// The key may have more places: its line takes turns again.
    pub(super) fn resume(&mut self, key: &K) {
        let turn = self.number();
        if let Some(line) = self.lines.get_mut(key)
            && line.turn.is_none()
        {
            line.turn = Some(turn);
            self.turns.insert(turn, key.clone());
        }
    }

    /// Removes one who gives up. `None` if its turn had come before.
    pub(super) fn remove(&mut self, key: &K, ticket: Ticket) -> Option<W> {
        let line = self.lines.get_mut(key)?;
        let waiter = line.waiting.remove(&ticket)?;
        self.length -= 1;
        if line.waiting.is_empty() {
            self.pause(key);
            self.lines.remove(key);
        }
        Some(waiter)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn lines_take_turns_and_a_paused_line_is_passed_over() {
        let mut queue = Queue::default();
        for (key, waiter) in [('a', 1), ('a', 2), ('a', 3), ('b', 4), ('c', 5), ('b', 6)] {
            queue.push(&key, waiter, true);
        }
        assert_eq!((queue.len(), queue.len_of(&'a')), (6, 3));
        assert_eq!(queue.pop(), Some(('a', 1)));
        queue.pause(&'b');
        assert_eq!(queue.pop(), Some(('c', 5)));
        assert_eq!(queue.pop(), Some(('a', 2)));
        queue.resume(&'b');
        assert_eq!(queue.pop(), Some(('a', 3)));
        assert_eq!(queue.pop(), Some(('b', 4)));
        queue.pause(&'b');
        assert_eq!((queue.pop(), queue.len()), (None, 1));
        let ticket = queue.push(&'b', 7, true);
        assert_eq!(queue.remove(&'b', ticket), Some(7));
        assert_eq!(queue.remove(&'b', ticket), None);
        queue.resume(&'b');
        assert_eq!((queue.pop(), queue.is_empty()), (Some(('b', 6)), true));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Pop,
        Remove(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u8..4).prop_map(Step::Push),
            2 => Just(Step::Pop),
            1 => any::<usize>().prop_map(Step::Remove),
        ]
    }

    proptest! {
        /// Whoever waits is served after at most as many others as there are lines before it for each
        /// one in its own line, nobody is served twice, and nobody is lost.
        #[test]
        fn nobody_is_passed_over_for_long_and_nobody_is_forgotten(steps in vec(step(), 0..200)) {
            let mut queue = Queue::<u8, u64>::default();
            // Each one who waits, in order, with the number of pops that it may still see.
            let mut waiting: Vec<(u8, u64, Ticket, usize)> = Vec::new();
            let steps = steps.into_iter().chain(std::iter::repeat_n(Step::Pop, 200));
            for (waiter, step) in (0..).zip(steps) {
                match step {
                    Step::Push(key) => {
                        let own = queue.len_of(&key);
                        let ticket = queue.push(&key, waiter, true);
                        waiting.push((key, waiter, ticket, (own + 1) * 4));
                    }
                    Step::Pop => match queue.pop() {
                        Some((key, waiter)) => {
                            let first = waiting.iter().position(|it| it.0 == key).unwrap();
                            prop_assert_eq!(waiting.remove(first).1, waiter, "first come, first served");
                            for it in &mut waiting {
                                prop_assert!(it.3 > 1, "{:?} is passed over", it);
                                it.3 -= 1;
                            }
                        }
                        None => prop_assert!(waiting.is_empty()),
                    },
                    Step::Remove(which) if !waiting.is_empty() => {
                        let (key, waiter, ticket, _) = waiting.remove(which % waiting.len());
                        prop_assert_eq!(queue.remove(&key, ticket), Some(waiter));
                    }
                    Step::Remove(_) => {}
                }
                prop_assert_eq!(queue.len(), waiting.len());
            }
            prop_assert!(queue.is_empty() && queue.lines.is_empty() && queue.turns.is_empty());
        }
    }
}
