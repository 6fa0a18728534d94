//! A client that goes on from revisions ends with what a list shows, whatever comes in between.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestCaseResult};
use tokio::time::sleep;

use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The hub writes something else.
    Elsewhere,
    Write(&'static str),
    Remove(&'static str),
    /// Another replica sees the cluster, and this one decides.
    Decide(&'static str),
    /// Another replica has decided.
    Hear(&'static str),
    /// The watch looks for changes.
    Look,
    /// The watch ends, and the client goes on from what it was told last.
    GoOn,
    /// The same, but it was told of a bookmark before.
    GoOnFromBookmark,
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || select(&NAMES[..]);
    prop_oneof![
        1 => Just(Step::Elsewhere),
        1 => name().prop_map(Step::Write),
        1 => name().prop_map(Step::Remove),
        1 => name().prop_map(Step::Decide),
        1 => name().prop_map(Step::Hear),
        2 => Just(Step::Look),
        2 => Just(Step::GoOn),
        1 => Just(Step::GoOnFromBookmark),
        4 => Just(Step::Pass),
    ]
}

/// The hub, and a client of one replica.
struct Model {
    clusters: Clusters,
    hub: u64,
    steps: u64,
    known: BTreeMap<String, String>,
    position: u64,
    revision: u64,
    bookmark: u64,
}

/// What a client can tell apart.
fn seen(object: &ClusterGateway) -> String {
    let status = object.status.as_ref();
    let reason = status.map(|it| it.healthy_reason.as_str());
    format!("{:?} {reason:?}", object.metadata.labels)
}

impl Model {
    async fn new() -> Self {
        pass(100).await;
        let clusters = clusters();
        clusters.reset::<Manual>(&[at(10, token_secret("a"))]);
        let listed = listed(&clusters).await;
        let mut model = Self {
            clusters,
            hub: 10,
            steps: 0,
            known: BTreeMap::new(),
            position: listed.position,
            revision: listed.revision,
            bookmark: listed.revision,
        };
        model.known = listed.objects.iter().map(|it| named(it)).collect();
        model
    }

    async fn run(&mut self, step: Step) {
        self.steps += 1;
        let reason = format!("reason {}", self.steps);
        match step {
            Step::Elsewhere => self.hub += 1,
            Step::Write(name) => {
                self.hub += 1;
                let secret = labelled(self.hub, name, &format!("l{}", self.steps));
                self.clusters.apply::<Manual>(&secret);
            }
            Step::Remove(name) => {
                self.hub += 1;
                let secret = at(self.hub, token_secret(name));
                self.clusters.remove::<Manual>(&secret);
            }
            Step::Decide(name) => {
                let view = view(Evidence::Connection, 10, &reason);
                let cluster = name.parse().unwrap();
                self.clusters
                    .hear_view(&"other".parse().unwrap(), cluster, view);
                self.decide();
            }
            Step::Hear(name) => {
                let decided = Decision {
                    revision: self.clusters.feed.lock().newest().max(self.hub) + 1,
                    state: view(Evidence::Attempt, 10, &reason).state,
                    ..Decision::default()
                };
                self.clusters.hear_decision(name.parse().unwrap(), decided);
            }
            Step::Look => {
                let changes = self.clusters.changes(self.position, Instant::now());
                self.hear(&changes.unwrap());
            }
            Step::GoOn => self.go_on(self.revision),
            Step::GoOnFromBookmark => self.go_on(self.bookmark),
            Step::Pass => sleep(SETTLE / 5 * 2).await,
        }
    }

    /// As the pulse does.
    fn decide(&self) {
        for _ in 0..4 {
            self.clusters.look();
        }
        self.clusters.decide(self.hub);
    }

    fn go_on(&mut self, revision: u64) {
        let missed = self.clusters.resume(revision, Instant::now()).unwrap();
        self.revision = revision;
        self.hear(&missed);
    }

    fn hear(&mut self, changes: &Changes) {
        for change in &changes.all {
            self.revision = change.revision;
            match (&change.before, &change.after) {
                (_, Some(after)) => self.known.extend([named(after)]),
                (Some(before), None) => {
                    self.known.remove(before.metadata.name.as_deref().unwrap());
                }
                (None, None) => {}
            }
        }
        self.position = changes.position;
        self.bookmark = changes.revision;
    }
}

fn named(object: &ClusterGateway) -> (String, String) {
    (object.metadata.name.clone().unwrap(), seen(object))
}

async fn nothing_is_missed(steps: Vec<Step>) -> TestCaseResult {
    let mut model = Model::new().await;
    for step in steps {
        model.run(step).await;
    }
    model.decide();
    pass(2).await;
    model.run(Step::Look).await;
    let listed = listed(&model.clusters).await;
    let shown: BTreeMap<_, _> = listed.objects.iter().map(|it| named(it)).collect();
    prop_assert_eq!(&model.known, &shown);
    Ok(())
}

proptest! {
    #[test]
    fn who_goes_on_from_a_revision_misses_nothing(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(nothing_is_missed(steps))?;
    }
}
