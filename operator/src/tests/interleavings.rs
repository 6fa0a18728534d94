//! Whatever comes between two awaits: watches that report late, break and start with a list, writes
//! whose answers arrive after other news, restarts, and decisions that move from slice to slice.
//!
//! By default some schedules run. For more: `PROPTEST_CASES=10000 cargo test --workspace --lib interleavings`.

use crds::{addon::Version, cluster::PLACEMENT_LABEL};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{
    model::{Hub, delayed::Delayed, ready},
    order::{ALL, Happening, happen},
    placement::carriers,
};
use crate::kind::{Kind, ObjectKey};

const SLICES: usize = 3;
const CLUSTERS: [&str; 2] = ["managed1", "managed2"];
const PLACEMENTS: [&str; 2] = ["fleet", "granted"];

/// Something that happens at the hub, on the way, or in the operator.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next event of those that happen once.
    Happens,
    /// A cluster leaves its slice of a placement's decisions.
    Drop,
    /// A cluster that is in no slice appears in one.
    Put,
    Deliver,
    Plan,
    Write,
    Answer,
    Others,
    Break,
    Start,
    Restart,
    /// A second passes.
    Pass,
}

/// Each step, and how likely it is.
const STEPS: [(Step, usize); 12] = [
    (Step::Happens, 2),
    (Step::Drop, 2),
    (Step::Put, 2),
    (Step::Deliver, 8),
    (Step::Plan, 6),
    (Step::Write, 5),
    (Step::Answer, 3),
    (Step::Others, 2),
    (Step::Break, 1),
    (Step::Start, 2),
    (Step::Restart, 1),
    (Step::Pass, 1),
];

fn step(which: Index) -> Step {
    let all = STEPS
        .iter()
        .flat_map(|(step, often)| std::iter::repeat_n(*step, *often));
    *which.get(&all.collect::<Vec<_>>())
}

type Schedule = Vec<(Index, Index, Index)>;

fn schedules() -> impl Strategy<Value = Schedule> {
    let index = any::<Index>;
    proptest::collection::vec((index(), index(), index()), 20..160)
}

/// The slices of all placements.
struct Decisions([[Vec<&'static str>; SLICES]; 2]);

impl Decisions {
    fn new() -> Self {
        Self([(); 2].map(|()| [CLUSTERS.to_vec(), Vec::new(), Vec::new()]))
    }

    fn write(&self, hub: &mut Hub, placement: usize, slice: usize) {
        let name = PLACEMENTS[placement];
        let key = ObjectKey::new(Kind::PlacementDecision, "team", &format!("{name}-{slice}"));
        let names = self.0[placement][slice].iter();
        let decisions: Vec<_> = names
            .map(|it| json!({"clusterName": it, "reason": ""}))
            .collect();
        let labels = json!({PLACEMENT_LABEL: name});
        hub.write(
            &key,
            &json!({"metadata": {"labels": labels}, "status": {"decisions": decisions}}),
        );
    }

    fn write_all(&self, hub: &mut Hub) {
        for placement in 0..PLACEMENTS.len() {
            for slice in 0..SLICES {
                self.write(hub, placement, slice);
            }
        }
    }

    fn drop(&mut self, hub: &mut Hub, placement: usize, cluster: &str) {
        let slices = &mut self.0[placement];
        let Some(slice) = slices.iter().position(|it| it.contains(&cluster)) else {
            return;
        };
        slices[slice].retain(|it| *it != cluster);
        self.write(hub, placement, slice);
    }

    fn put(&mut self, hub: &mut Hub, placement: usize, cluster: &'static str, slice: usize) {
        if !self.0[placement].iter().any(|it| it.contains(&cluster)) {
            self.0[placement][slice].push(cluster);
            self.write(hub, placement, slice);
        }
    }

    fn put_all(&mut self, hub: &mut Hub) {
        for placement in 0..PLACEMENTS.len() {
            for cluster in CLUSTERS {
                self.put(hub, placement, cluster, 1);
            }
        }
    }
}

fn begin(addons: Version) -> Hub {
    let mut hub = Hub::new(addons);
    hub.install();
    hub.accept("managed3", &json!({"gateway": "on"}));
    hub.configure(&json!({"clusters": {"placements": [{"namespace": "team", "name": "fleet"}]}}));
    Decisions::new().write_all(&mut hub);
    let set = ObjectKey::global(Kind::ManagedClusterSet, "global");
    let everything = json!({"selectorType": "LabelSelector", "labelSelector": {}});
    hub.write(&set, &json!({"spec": {"clusterSelector": everything}}));
    let binding = ObjectKey::new(Kind::ManagedClusterSetBinding, "team", "global");
    let bound = json!({"conditions": [{"type": "Bound", "status": "True"}]});
    hub.write(
        &binding,
        &json!({"spec": {"clusterSet": "global"}, "status": bound}),
    );
    let grant = json!({
        "clusters": {"placements": [{"namespace": "team", "name": "granted"}]},
        "subjects": [{"kind": "User", "name": "alice"}], "role": {"clusterRole": "view"},
    });
    hub.write(
        &ObjectKey::global(Kind::AccessGrant, "g"),
        &json!({"spec": grant}),
    );
    hub
}

/// Carries out a schedule, and then all that was still to come.
fn carry_out(far: &mut Delayed, happenings: &[Happening], schedule: &Schedule) {
    let (mut decisions, mut happenings) = (Decisions::new(), happenings.iter());
    for (what, which, other) in schedule {
        let placement = which.index(PLACEMENTS.len());
        let cluster = CLUSTERS[other.index(CLUSTERS.len())];
        match step(*what) {
            Step::Happens => {
                if let Some(next) = happenings.next() {
                    far.on_hub(|hub| happen(hub, *next));
                }
            }
            Step::Drop => far.on_hub(|hub| decisions.drop(hub, placement, cluster)),
            Step::Put => {
                let slice = what.index(SLICES);
                far.on_hub(|hub| decisions.put(hub, placement, cluster, slice));
            }
            // A few at most, so that nothing is missing for long.
            Step::Pass if far.hub.now >= limit() => {}
            Step::Pass => far.hub.pass(1),
            other => go_on(far, other, *which),
        }
    }
    for rest in happenings {
        far.on_hub(|hub| happen(hub, *rest));
    }
    far.on_hub(|hub| decisions.put_all(hub));
    far.settle();
    far.hub.pass(100);
    far.settle();
}

/// A step of the operator, or of what is between it and the hub.
fn go_on(far: &mut Delayed, step: Step, which: Index) {
    let pick = |count: usize| (count > 0).then(|| which.index(count));
    match step {
        Step::Deliver => {
            let waiting = far.waiting();
            if let Some(kind) = pick(waiting.len()) {
                far.deliver(waiting[kind]);
            }
        }
        Step::Plan => {
            let keys = far.keys();
            far.plan(which.get(&keys));
        }
        Step::Write => {
            if let Some(call) = pick(far.calls()) {
                far.write(call);
            }
        }
        Step::Answer => {
            if let Some(call) = pick(far.calls()) {
                far.answer(call);
            }
        }
        Step::Break => far.break_watch(*which.get(Kind::ALL)),
        Step::Start => {
            let broken = far.broken();
            if let Some(kind) = pick(broken.len()) {
                far.start_watch(broken[kind]);
            }
        }
        Step::Restart => far.restart(),
        Step::Others => {
            far.on_hub(Hub::others_act);
        }
        Step::Happens | Step::Drop | Step::Put | Step::Pass => {}
    }
}

fn limit() -> jiff::Timestamp {
    "2026-01-01T00:00:40Z".parse().unwrap()
}

/// The hub, but for how decisions are split.
fn portrait(hub: &Hub) -> Vec<Value> {
    let mut all = hub.portrait();
    all.retain(|it| it["kind"] != "PlacementDecision");
    all
}

/// A schedule takes much longer than other cases.
fn few_unless_asked() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = match default.cases {
        256 => 24,
        asked => asked,
    };
    ProptestConfig { cases, ..default }
}

proptest! {
    #![proptest_config(few_unless_asked())]

    #[test]
    fn whatever_arrives_late_the_hub_ends_in_the_same_state_and_the_operator_knows_it(
        happenings in Just(ALL.to_vec()).prop_shuffle(),
        schedule in schedules(),
    ) {
        let mut wanted = begin(Version::V1beta1);
        for happening in ALL {
            happen(&mut wanted, happening);
        }
        wanted.settle();
        wanted.pass(100);
        wanted.settle();

        let mut far = Delayed::new(begin(Version::V1beta1));
        carry_out(&mut far, &happenings, &schedule);
        prop_assert_eq!(portrait(&far.hub), portrait(&wanted));
        prop_assert_eq!(far.differences(), [] as [String; 0]);
    }

    #[test]
    fn whatever_arrives_late_clusters_that_move_between_decisions_lose_nothing(
        schedule in schedules(),
    ) {
        let mut hub = begin(Version::V1beta1);
        for happening in [
            Happening::Configure, Happening::Accept("managed1"), Happening::Accept("managed2"),
        ] {
            happen(&mut hub, happening);
        }
        hub.observed.server = ready();
        hub.settle();
        let before = CLUSTERS.map(|cluster| carriers(&hub, cluster));
        prop_assert!(before.iter().flatten().all(Option::is_some));
        let mut far = Delayed::new(hub);
        // The process is not new.
        far.hub.pass(-100);
        far.restart();
        far.hub.pass(100);
        carry_out(&mut far, &[], &schedule);
        prop_assert_eq!(CLUSTERS.map(|cluster| carriers(&far.hub, cluster)), before);
    }
}
