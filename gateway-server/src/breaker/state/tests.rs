use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::upstream::{ConnectError, Phase as Step};

const TRIPPING: Tripping = Tripping {
    failures: std::num::NonZeroU32::new(3).unwrap(),
    longest_pause: Duration::from_secs(5),
};

fn failure(second: i64) -> Open {
    Open {
        error: Arc::new(ConnectError::Deadline { phase: Step::Dial }),
        since: Timestamp::from_second(second).unwrap(),
    }
}

/// One that is open after three failures, the first of them at 1 s.
fn open(now: Instant) -> State {
    let mut state = State::default();
    for second in 1..=3 {
        assert!(matches!(state.admit(now), Admission::Passes));
        state.failed(failure(second), None, now, TRIPPING);
    }
    state
}

fn probe(state: &mut State, now: Instant) -> Probe {
    match state.admit(now) {
        Admission::Probes(probe) => probe,
        other => panic!("{other:?}"),
    }
}

fn refused(state: &mut State, now: Instant) -> Open {
    match state.admit(now) {
        Admission::Refused(open) => open,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_opens_after_failures_in_a_row_and_says_since_when() {
    let now = Instant::now();
    let mut state = open(now);
    assert_eq!(refused(&mut state, now).since.as_second(), 1);
    let mut state = State::default();
    for second in 1..=5 {
        state.failed(failure(second), None, now, TRIPPING);
        if second % 2 == 0 {
            state.worked();
        }
    }
    assert!(matches!(state.admit(now), Admission::Passes));
}

#[test]
fn many_who_wait_for_one_attempt_and_failures_of_long_ago_do_not_open_it() {
    let (now, mut state) = (Instant::now(), State::default());
    let shared = failure(1);
    for _ in 0..10 {
        state.failed(shared.clone(), None, now, TRIPPING);
    }
    assert!(matches!(state.admit(now), Admission::Passes));
    state.failed(failure(2), None, now, TRIPPING);
    let later = now + WITHIN + Duration::from_secs(1);
    state.failed(failure(3), None, later, TRIPPING);
    assert!(matches!(state.admit(later), Admission::Passes));
}

#[test]
fn pauses_grow_to_the_longest_one_probe_at_a_time() {
    let mut now = Instant::now();
    let mut state = open(now);
    for seconds in [1, 2, 4, 5, 5] {
        let pause = Duration::from_secs(seconds);
        refused(&mut state, now + pause - Duration::from_millis(1));
        now += pause;
        let first = probe(&mut state, now);
        refused(&mut state, now);
        // One that gives up makes room for another, and does so once.
        state.gave_up(first);
        let second = probe(&mut state, now);
        state.gave_up(first);
        refused(&mut state, now);
        state.failed(failure(9), Some(first), now, TRIPPING);
        refused(&mut state, now + Duration::from_mins(1));
        state.failed(failure(10), Some(second), now, TRIPPING);
    }
    assert_eq!(refused(&mut state, now).since.as_second(), 1);
    let last = probe(&mut state, now + TRIPPING.longest_pause);
    state.worked();
    state.failed(failure(11), Some(last), now, TRIPPING);
    assert!(matches!(state.admit(now), Admission::Passes));
}

proptest! {
    /// Requests come, and end in any order and any way. There is one probe at a time, nobody is refused
    /// for longer than the longest pause without one, and a success opens the door.
    #[test]
    fn nobody_is_refused_for_ever(steps in vec((0_u8..5, any::<usize>(), 0_u64..3000), 0..200)) {
        let (mut state, mut now) = (State::default(), Instant::now());
        let mut under_way: Vec<Option<Probe>> = Vec::new();
        let mut failures = 0;
        for (second, (step, which, pass)) in (0..).zip(steps) {
            let ended = (step > 1 && !under_way.is_empty())
                .then(|| under_way.swap_remove(which % under_way.len()));
            match (step, ended) {
                (0, _) => now += Duration::from_millis(pass),
                (1, _) => match state.admit(now) {
                    Admission::Passes => under_way.push(None),
                    Admission::Probes(probe) => under_way.push(Some(probe)),
                    Admission::Refused(_) => {
                        prop_assert!(failures >= TRIPPING.failures.get());
                    }
                },
                (2, Some(_)) => {
                    state.worked();
                    failures = 0;
                    prop_assert!(matches!(state.admit(now), Admission::Passes));
                }
                (3, Some(Some(probe))) => state.gave_up(probe),
                (4, Some(of)) => {
                    state.failed(failure(second), of, now, TRIPPING);
                    failures += 1;
                }
                _ => {}
            }
            let current = match &state.phase {
                Phase::Paused { probe, .. } => *probe,
                Phase::Closed(_) => None,
            };
            prop_assert!(current.is_none() || under_way.contains(&current), "a probe was lost");
        }
        // When all have ended somehow, the next one after the longest pause may try.
        for probe in under_way.into_iter().flatten() {
            state.gave_up(probe);
        }
        let later = now + TRIPPING.longest_pause;
        prop_assert!(!matches!(state.admit(later), Admission::Refused(_)));
    }
}
