use std::{collections::BTreeMap, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::seats::tests::LIMITS;

impl<W> State<W> {
    /// Nothing is open, and nobody waits.
    pub(in crate::seats) fn is_idle(&self) -> bool {
        let mut users = self.users.values();
        let nothing = Count::default();
        self.all == nothing && self.queue.is_empty() && users.all(|it| it.count == nothing)
    }
}

/// What a caller does.
#[derive(Clone, Debug)]
enum Step {
    Enter(usize),
    /// One of those that have a place gives it back, or one of those that wait gives up.
    Leave(usize),
    GiveUp(usize),
    /// One whose answer has begun is read to its end.
    End(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..USERS.len()).prop_map(Step::Enter),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::GiveUp),
        1 => any::<usize>().prop_map(Step::End),
        1 => (0_u64..2000).prop_map(Step::Pass),
    ]
}

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Who is where, by the number of the request.
#[derive(Default)]
struct Model {
    working: BTreeMap<u32, Arc<str>>,
    waiting: BTreeMap<u32, (Arc<str>, Ticket)>,
    reading: BTreeMap<u32, Arc<str>>,
}

fn nth<V>(map: &mut BTreeMap<u32, V>, number: usize) -> Option<(u32, V)> {
    let key = *map.keys().nth(number.checked_rem(map.len())?)?;
    map.remove_entry(&key)
}

impl Model {
    fn enter(&mut self, state: &mut State<u32>, number: u32, user: &str, now: Instant) {
        match state.enter(user, now, &LIMITS) {
            Ok(Entered::Placed(user)) => drop(self.working.insert(number, user)),
            Ok(Entered::Waits(user)) => {
                let ticket = state.wait(&user, now, &LIMITS, number);
                self.waiting.insert(number, (user, ticket));
            }
            Err(Full::RequestsOfUser(_)) => assert!(self.open(user) >= LIMITS.requests_per_user),
            Err(Full::QueueOfUser(_)) => {
                assert!(self.waiting_of(user) >= LIMITS.queued_requests_per_user);
            }
            Err(full) => panic!("{full}"),
        }
    }

    /// One more works, because another one does not any more.
    fn told(&mut self, next: Option<u32>) {
        if let Some(next) = next {
            let (user, _) = self.waiting.remove(&next).expect("it waits");
            self.working.insert(next, user);
        }
    }

    fn leave(&mut self, state: &mut State<u32>, which: usize) {
        if let Some((number, user)) = nth(&mut self.working, which) {
            self.told(state.leave(&user, &LIMITS));
            self.reading.insert(number, user);
        }
    }

    fn waiting_of(&self, user: &str) -> usize {
        let waiting = self.waiting.values();
        waiting.filter(|(it, _)| **it == *user).count()
    }

    fn open(&self, user: &str) -> usize {
        let others = self.working.values().chain(self.reading.values());
        others.filter(|it| ***it == *user).count() + self.waiting_of(user)
    }

    fn check(&self, state: &State<u32>) {
        assert!(self.working.len() <= LIMITS.short_requests);
        assert_eq!(state.all.working, self.working.len());
        assert_eq!(state.queue.len(), self.waiting.len());
        let room = self.working.len() < LIMITS.short_requests;
        for user in USERS {
            let working = self.working.values().filter(|it| ***it == *user).count();
            assert!(working <= LIMITS.short_requests_per_user);
            assert!(self.open(user) <= LIMITS.requests_per_user);
            let may_have_more = room && working < LIMITS.short_requests_per_user;
            assert!(!may_have_more || self.waiting_of(user) == 0, "{user} waits");
        }
    }
}

proptest! {
    /// Nobody waits while there is a place for it, no limit is passed, and everybody who stays gets
    /// its turn, whoever gives up meanwhile.
    #[test]
    fn no_place_is_left_empty_or_taken_twice_and_nobody_is_forgotten(steps in vec(step(), 0..300)) {
        let (mut state, mut model, mut now) = (State::default(), Model::default(), Instant::now());
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Enter(user) => model.enter(&mut state, number, USERS[user], now),
                Step::Leave(which) => model.leave(&mut state, which),
                Step::GiveUp(which) => if let Some((_, (user, ticket))) = nth(&mut model.waiting, which) {
                    prop_assert_eq!(state.give_up(&user, ticket, &LIMITS), None);
                },
                Step::End(which) => if let Some((_, user)) = nth(&mut model.reading, which) {
                    state.end(&user, Need::Short);
                },
                Step::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
            }
            model.check(&state);
        }
        while !model.working.is_empty() {
            model.leave(&mut state, 0);
            model.check(&state);
        }
        prop_assert!(model.waiting.is_empty(), "somebody was forgotten");
        for user in model.reading.values() {
            state.end(user, Need::Short);
        }
        prop_assert!(state.is_idle());
    }
}

#[test]
fn who_gives_up_when_its_turn_has_come_passes_it_on() {
    let (mut state, now) = (State::default(), Instant::now());
    let mut working = Vec::new();
    for user in ["alice", "alice", "bob"] {
        let Ok(Entered::Placed(user)) = state.enter(user, now, &LIMITS) else {
            panic!("no place for {user}");
        };
        working.push(user);
    }
    let mut wait = |user: &str, number| {
        let Ok(Entered::Waits(user)) = state.enter(user, now, &LIMITS) else {
            panic!("{user} need not wait");
        };
        let ticket = state.wait(&user, now, &LIMITS, number);
        (user, ticket)
    };
    let (bob, ticket) = wait("bob", 1);
    let _carol = wait("carol", 2);
    assert_eq!(state.leave(&working[0], &LIMITS), Some(1));
    assert_eq!(state.give_up(&bob, ticket, &LIMITS), Some(2));
}

#[test]
fn callers_who_have_nothing_open_are_forgotten_in_time() {
    let (mut state, now) = (State::<()>::default(), Instant::now());
    let rate = Rate::new(1.try_into().unwrap(), 2.try_into().unwrap());
    let limits = Limits {
        rate_per_user: Some(rate),
        ..LIMITS
    };
    let mut request = |user: &str, now| {
        let Ok(Entered::Placed(user)) = state.enter(user, now, &limits) else {
            panic!("no place for {user}");
        };
        state.leave(&user, &limits);
        state.end(&user, Need::Short);
        state.users.len()
    };
    for number in 0..100 {
        request(&format!("early{number}"), now);
    }
    // As long as their rate is used up in part, they are remembered.
    assert_eq!(request("late", now), 101);
    let later = now + Duration::from_secs(10);
    let most = (0..100).map(|number| request(&format!("later{number}"), later));
    assert!(most.max().unwrap() <= 130);
}
