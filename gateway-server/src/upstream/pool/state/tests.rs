//! Callers, attempts and connections in any order. The pool takes its lock for each step and waits
//! for nothing while it holds it, so every interleaving of threads is one of these orders. That is
//! why this is no model of `loom`, which also knows neither `parking_lot` nor tokio's channels.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::upstream::connect::Phase;

/// A connection that ends and retires when it is told to.
#[derive(Clone, Debug, Default)]
struct Fake {
    allowed: usize,
    is_retiring: Arc<AtomicBool>,
    is_gone: Arc<AtomicBool>,
}

impl Connection for Fake {
    fn allowed(&self) -> usize {
        self.allowed
    }

    fn is_retiring(&self) -> bool {
        self.is_retiring.load(Ordering::Relaxed)
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }
}

/// What happens next. Numbers choose one of those that there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    /// Who waits looks whether the attempt has ended.
    Look(usize),
    /// Who waits or has a place leaves.
    Leave(usize),
    Succeed {
        allowed: usize,
    },
    Fail,
    /// Whoever carries out the attempt panics.
    Abandon,
    Die(usize),
    Retire(usize),
    LetGo(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let some = 0..100_usize;
    prop_oneof![
        8 => Just(Step::Ask),
        4 => some.clone().prop_map(Step::Look),
        4 => some.clone().prop_map(Step::Leave),
        4 => (1..6_usize).prop_map(|allowed| Step::Succeed { allowed }),
        2 => Just(Step::Fail),
        1 => Just(Step::Abandon),
        1 => some.clone().prop_map(Step::Die),
        1 => some.clone().prop_map(Step::Retire),
        1 => (some, any::<bool>()).prop_map(|(of, is_late)| Step::LetGo(of, is_late)),
    ]
}

#[derive(Default)]
struct World {
    state: State<Fake>,
    waiting: Vec<Opening<Fake>>,
    placed: Vec<Slot<Fake>>,
    /// The attempt in progress.
    attempt: Option<Done<Fake>>,
    connections: Vec<Arc<Slots<Fake>>>,
    now: i64,
}

impl World {
    fn take(&mut self, step: Step) {
        self.now += 1;
        match step {
            Step::Ask => self.ask(),
            Step::Look(of) => self.look(of),
            Step::Leave(of) => {
                let callers = self.waiting.len() + self.placed.len();
                let of = of % callers.max(1);
                if of < self.waiting.len() {
                    self.waiting.remove(of);
                } else if callers > 0 {
                    self.placed.remove(of - self.waiting.len());
                }
            }
            Step::Succeed { allowed } => self.end_attempt(Some(allowed)),
            Step::Fail => self.end_attempt(None),
            Step::Abandon => self.attempt = None,
            Step::Die(of) => {
                if let Some(slots) = self.one(of) {
                    slots.connection.is_gone.store(true, Ordering::Relaxed);
                }
            }
            Step::Retire(of) => {
                if let Some(slots) = self.one(of) {
                    slots.connection.is_retiring.store(true, Ordering::Relaxed);
                }
            }
            Step::LetGo(of, is_late) => {
                if let Some(slots) = self.one(of).filter(|slots| slots.is_retiring()) {
                    let (is_used, is_gone) = (slots.used() > 0, slots.is_gone());
                    let goes = self.state.let_go(&slots, is_late);
                    assert!(is_gone || !(goes && is_used), "it is still used");
                }
            }
        }
        self.check();
    }

    fn one(&self, of: usize) -> Option<Arc<Slots<Fake>>> {
        let of = of.checked_rem(self.connections.len())?;
        Some(Arc::clone(&self.connections[of]))
    }

    fn ask(&mut self) {
        let done = match self.state.next() {
            Ok(Next::Use(slot, done)) => {
                self.placed.push(slot);
                done
            }
            Ok(Next::Wait(opening, done)) => {
                self.waiting.push(opening);
                done
            }
            Err(PoolError::Exhausted { connections }) => {
                assert_eq!(connections, MOST);
                let has_room = |slots: &Arc<Slots<Fake>>| slots.has_room() && !slots.is_gone();
                assert!(!self.state.http2.iter().any(has_room), "there is room");
                None
            }
            Err(error) => panic!("{error}"),
        };
        if let Some(done) = done {
            assert!(self.attempt.is_none(), "a second attempt at the same time");
            self.attempt = Some(done);
        }
    }

    /// As a request does that waits for an attempt.
    fn look(&mut self, of: usize) {
        let Some(of) = of.checked_rem(self.waiting.len()) else {
            return;
        };
        let opening = &self.waiting[of];
        let outcome = opening.borrow().clone();
        let is_abandoned = opening.has_changed().is_err();
        match outcome {
            None if !is_abandoned => return,
            None | Some(Err(_)) => {}
            Some(Ok(_)) => self.ask(),
        }
        self.waiting.remove(of);
    }

    fn end_attempt(&mut self, allowed: Option<usize>) {
        let Some(done) = self.attempt.take() else {
            return;
        };
        let now = Timestamp::from_second(self.now).unwrap();
        self.state.opening_ended();
        let outcome = if let Some(allowed) = allowed {
            self.state.worked(now);
            let slots = self.state.admit(Fake {
                allowed,
                ..Fake::default()
            });
            self.connections.push(Arc::clone(&slots));
            Ok(Some(slots))
        } else {
            let phase = Phase::Dial;
            Err(self.state.failed(ConnectError::Deadline { phase }, now))
        };
        done.send_replace(Some(outcome));
    }

    fn check(&self) {
        for slots in &self.connections {
            let fake = &slots.connection;
            let is_on_it =
                |slot: &&Slot<Fake>| Arc::ptr_eq(&slot.connection().is_gone, &fake.is_gone);
            let callers = self.placed.iter().filter(is_on_it).count();
            assert_eq!(slots.used(), callers);
            assert!(callers <= fake.allowed, "more than the peer allows");
        }
        for opening in &self.waiting {
            let is_pending = opening.borrow().is_none() && opening.has_changed().is_ok();
            assert!(!is_pending || self.attempt.is_some(), "waits for nothing");
        }
        let Sighting {
            health, is_open, ..
        } = self.state.sighting();
        let is_failing = matches!(health, Health::Failing { .. });
        assert!(!(is_open && is_failing), "a connection works");
    }

    /// Everybody who still waits gets an answer, and the next one gets a place.
    fn settle(&mut self) {
        while !self.waiting.is_empty() {
            self.take(Step::Succeed { allowed: 100 });
            self.take(Step::Look(0));
        }
        self.placed.clear();
        self.take(Step::Ask);
        while !self.waiting.is_empty() {
            self.take(Step::Succeed { allowed: 100 });
            self.take(Step::Look(0));
        }
        assert_eq!(self.placed.len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn one_attempt_at_a_time_and_nobody_waits_for_nothing(
        steps in proptest::collection::vec(step(), 0..120)
    ) {
        let mut world = World::default();
        for step in steps {
            world.take(step);
        }
        world.settle();
    }
}
