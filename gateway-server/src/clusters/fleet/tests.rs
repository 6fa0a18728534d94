//! Replicas that tell each other everything, or cannot.

use super::*;
use crate::clusters::health::{Evidence, tests::view};

fn name() -> ClusterName {
    "managed1".parse().unwrap()
}

fn id(number: usize) -> ReplicaId {
    format!("r{number}").parse().unwrap()
}

/// Each fleet tells every other one what it sees and has decided.
fn gossip(fleets: &mut [Fleet]) {
    for from in 0..fleets.len() {
        for (cluster, told) in fleets[from].sightings() {
            for to in (0..fleets.len()).filter(|to| *to != from) {
                fleets[to].hear(&id(from), cluster.clone(), View::clone(&told.view));
                fleets[to].adopt(
                    cluster.clone(),
                    Decision::clone(&told.decision),
                    Instant::now(),
                );
            }
        }
    }
}

fn shown(fleets: &[Fleet]) -> Vec<(u64, String)> {
    let shown = fleets.iter().map(|fleet| {
        let decision = fleet.decided(&name()).unwrap().decision;
        let health = decision.state.health.clone().unwrap_or_default();
        (decision.revision, health.healthy_reason)
    });
    shown.collect()
}

fn fleets(count: usize) -> Vec<Fleet> {
    let mut fleets: Vec<_> = (0..count).map(|_| Fleet::default()).collect();
    for fleet in &mut fleets {
        fleet.see(&name(), View::default());
    }
    fleets
}

#[test]
fn all_show_what_the_replica_decides_whose_view_counts() {
    let mut fleets = fleets(3);
    assert!(fleets[1].see(&name(), view(Evidence::Attempt, 10, "refused")));
    gossip(&mut fleets);
    let due: Vec<_> = fleets.iter_mut().map(Fleet::look).collect();
    assert_eq!(due, [false, true, false]);
    fleets[1].decide(70, now(), |_| 0);
    gossip(&mut fleets);
    assert_eq!(shown(&fleets), vec![(70, "refused".to_owned()); 3]);
    // An open connection counts more than the failed attempt that another replica saw.
    fleets[2].see(&name(), view(Evidence::Connection, 10, ""));
    gossip(&mut fleets);
    assert!(fleets[2].look() && !fleets[1].look());
    fleets[2].decide(70, now(), |_| 0);
    gossip(&mut fleets);
    assert_eq!(shown(&fleets), vec![(71, String::new()); 3]);
    assert!(fleets.iter_mut().all(|fleet| !fleet.look()));
}

#[test]
fn if_the_replica_is_gone_that_should_decide_another_one_does() {
    let mut fleets = fleets(2);
    fleets[1].see(&name(), view(Evidence::Attempt, 10, "refused"));
    gossip(&mut fleets);
    let looks: Vec<_> = (0..3).map(|_| fleets[0].look()).collect();
    assert_eq!(looks, [false, false, true]);
    fleets[0].decide(70, now(), |_| 0);
    assert_eq!(shown(&fleets[..1]), [(70, "refused".to_owned())]);
    fleets[0].lose(&id(1));
    assert!(!fleets[0].look(), "nobody sees anything else");
    fleets[0].see(&name(), view(Evidence::Agent, 0, ""));
    assert!(fleets[0].look());
    fleets[0].decide(80, now(), |_| 0);
    assert_eq!(shown(&fleets[..1]), [(80, String::new())]);
    // The replica comes back with an older decision. The newer decision stands.
    fleets[1].decide(75, now(), |_| 0);
    gossip(&mut fleets);
    assert_eq!(fleets[0].decided(&name()).unwrap().decision.revision, 80);
}

#[test]
fn decisions_at_the_same_revision_end_alike() {
    let mut fleets = fleets(2);
    for (fleet, reason) in fleets.iter_mut().zip(["refused", "reset"]) {
        fleet.see(&name(), view(Evidence::Attempt, 10, reason));
        fleet.look();
        fleet.decide(70, now(), |_| 0);
    }
    gossip(&mut fleets);
    let shown = shown(&fleets);
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn a_cluster_that_only_others_know_is_told_to_nobody_and_forgotten_with_them() {
    let mut fleet = Fleet::default();
    fleet.hear(&id(1), name(), view(Evidence::Attempt, 10, "refused"));
    assert!(!fleet.look() && fleet.sightings().is_empty());
    fleet.lose(&id(1));
    assert!(fleet.decided(&name()).is_none());
}

fn now() -> (Instant, Timestamp) {
    (Instant::now(), Timestamp::UNIX_EPOCH)
}
