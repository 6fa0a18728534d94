use proptest::{collection::vec, prelude::*};

use super::*;
use crate::seats::tests::LIMITS;

impl Hall {
    /// How many wait, here or at a cluster.
    pub(in crate::seats) fn waiting(&self) -> usize {
        let queued = self.queued.load(SeqCst);
        assert_eq!(i64::try_from(queued).unwrap(), self.waiting.get());
        queued
    }

    pub(in crate::seats) fn inside(&self) -> usize {
        assert_eq!(self.outside.load(SeqCst), self.queue.lock().len());
        self.inside.load(SeqCst)
    }
}

fn pair(cluster: usize, user: &str) -> Pair {
    Pair {
        cluster,
        user: Arc::from(user),
    }
}

proptest! {
    /// Steps of one after the other: nobody waits while there is room, there are never more inside
    /// than may be, and whoever leaves without having entered passes its turn on.
    #[test]
    fn nobody_waits_at_an_open_door(steps in vec((0_u8..4, any::<usize>()), 0..200)) {
        let hall = Hall::new(LIMITS, Gauge::default());
        let (mut inside, mut outside) = (0, Vec::<Outside<'_>>::new());
        for (step, which) in steps {
            match step {
                0 | 1 if hall.try_enter() => inside += 1,
                0 | 1 => outside.push(hall.wait(pair(which % 3, ["alice", "bob"][which % 2]))),
                2 if inside > 0 => {
                    hall.leave();
                    inside -= 1;
                }
                3 if !outside.is_empty() => drop(outside.swap_remove(which % outside.len())),
                _ => {}
            }
            for told in outside.extract_if(.., |it| it.turn.try_recv().is_ok()) {
                let mut told = told;
                told.is_in = true;
                inside += 1;
            }
            prop_assert!(inside <= LIMITS.short_requests_total);
            prop_assert_eq!(hall.inside(), inside);
            prop_assert!(outside.is_empty() || inside == LIMITS.short_requests_total);
        }
        outside.clear();
        for _ in 0..inside {
            hall.leave();
        }
        prop_assert_eq!(hall.inside(), 0);
    }
}

#[test]
fn callers_of_clusters_take_turns() {
    let hall = Hall::new(LIMITS, Gauge::default());
    while hall.try_enter() {}
    let pairs = [(1, "alice"), (1, "alice"), (1, "alice"), (2, "alice")];
    let mut outside = pairs.map(|(cluster, user)| hall.wait(pair(cluster, user)));
    assert!(!hall.try_enter());
    hall.leave();
    hall.leave();
    let mut told = outside.iter_mut().map(|it| {
        it.is_in = it.turn.try_recv().is_ok();
        it.is_in
    });
    assert!(told.by_ref().eq([true, false, false, true]));
}
