//! What happens between a call and its answer.

use crds::addon::Version;
use http::{Request, Response};
use kube::{Client, client::Body, core::DynamicObject};
use prometheus_client::registry::Registry;
use runtime::readiness::Readiness;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::{
    apply::Outcome,
    kind::ObjectKey,
    observed::{CallId, Installation},
    plan::Action,
};

const KIND: Kind = Kind::ManagedClusterAddOn;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// A hub that answers every call in this way.
fn hands(code: u16, answer: &Value) -> Hands {
    let answer = answer.to_string();
    let hub = service_fn(move |_: Request<Body>| {
        let body = Body::from(answer.clone().into_bytes());
        let answer = Response::builder().status(code).body(body);
        std::future::ready(Ok::<_, std::io::Error>(answer.expect("an answer")))
    });
    Hands {
        client: Client::new(hub, "default"),
        addons: Version::V1beta1,
        clock: now,
        metrics: Metrics::register(&mut Registry::default()),
    }
}

fn engine() -> Engine {
    let installation = Installation {
        addons: Version::V1beta1,
        namespace: "spokeway-system".to_owned(),
        agent_image: String::new(),
        gateway_image: String::new(),
        allowed_images: Vec::new(),
        patience: Duration::ZERO,
    };
    let wires = Wires {
        notes: Notes::new("test", Version::V1beta1).0,
        leads: watch::channel(true).1,
        answers: mpsc::channel(1).1,
        target: watch::channel(None).0,
        observing: Readiness::default().condition("observing"),
    };
    Engine::new(installation, hands(200, &json!({})), wires, now)
}

fn row(uid: &str, version: u64) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "addon.open-cluster-management.io/v1beta1", "kind": "ManagedClusterAddOn",
        "metadata": {
            "namespace": "managed1", "name": "cluster-gateway", "uid": uid,
            "resourceVersion": version.to_string(),
        },
    }))
    .expect("an object")
}

fn key() -> ObjectKey {
    ObjectKey::new(KIND, "managed1", "cluster-gateway")
}

impl Engine {
    fn watched(&mut self, event: Event<DynamicObject>) {
        self.observe(Change::Object(KIND, Box::new(event)));
    }

    /// The uid of the object that is known.
    fn known(&self) -> Option<String> {
        self.observed.object(&key())?.metadata.uid.clone()
    }
}

fn done(call: CallId, outcomes: Vec<Outcome>) -> Done {
    Done {
        key: Key::Cluster("managed1".to_owned()),
        call,
        begun: Instant::now(),
        wake: None,
        actions: vec![
            Action::Delete {
                key: key(),
                uid: String::new()
            };
            outcomes.len()
        ],
        outcomes,
        error: None,
    }
}

fn is(object: DynamicObject) -> Outcome {
    Outcome::Is(KIND, Box::new(object))
}

fn gone(uid: &str) -> Outcome {
    let uid = uid.to_owned();
    Outcome::Gone { key: key(), uid }
}

#[tokio::test]
async fn a_late_answer_brings_back_nothing_that_was_deleted_meanwhile() {
    let mut engine = engine();
    engine.watched(Event::Apply(row("1", 5)));
    let call = engine.observed.tombstones.begin();
    engine.watched(Event::Delete(row("1", 9)));
    engine.finish(done(call, vec![is(row("1", 7))]));
    assert_eq!(engine.known(), None);
}

#[tokio::test]
async fn a_late_answer_does_not_replace_the_next_object_of_the_name() {
    let mut engine = engine();
    engine.watched(Event::Apply(row("1", 5)));
    let call = engine.observed.tombstones.begin();
    engine.watched(Event::Delete(row("1", 9)));
    engine.watched(Event::Apply(row("2", 10)));
    engine.finish(done(call, vec![is(row("1", 7))]));
    assert_eq!(engine.known().as_deref(), Some("2"));
}

#[tokio::test]
async fn the_end_of_an_object_is_not_that_of_the_next_of_its_name() {
    let mut engine = engine();
    engine.watched(Event::Apply(row("1", 5)));
    let call = engine.observed.tombstones.begin();
    engine.watched(Event::Apply(row("2", 10)));
    engine.finish(done(call, vec![gone("1")]));
    assert_eq!(engine.known().as_deref(), Some("2"));
}

#[tokio::test]
async fn the_answer_to_one_plan_does_not_bring_back_what_another_has_deleted() {
    let mut engine = engine();
    engine.watched(Event::Apply(row("1", 5)));
    let (status, removal) = (
        engine.observed.tombstones.begin(),
        engine.observed.tombstones.begin(),
    );
    // The watch was the first to say so, or has yet to say it.
    engine.finish(done(removal, vec![gone("1")]));
    engine.finish(done(status, vec![is(row("1", 7))]));
    assert_eq!(engine.known(), None);
}

#[tokio::test]
async fn what_a_watch_says_of_an_object_counts_whatever_ended_before() {
    let mut engine = engine();
    engine.watched(Event::Apply(row("1", 5)));
    let call = engine.observed.tombstones.begin();
    // A list that is older than the object.
    engine.watched(Event::Init);
    engine.watched(Event::InitDone);
    engine.watched(Event::Apply(row("1", 5)));
    assert_eq!(engine.known().as_deref(), Some("1"));
    engine.finish(done(call, vec![is(row("1", 7))]));
    let known = engine.observed.object(&key()).expect("it is there");
    assert_eq!(known.metadata.resource_version.as_deref(), Some("7"));
}

#[tokio::test]
async fn a_write_to_an_object_that_is_gone_finds_that_out_and_ends_the_plan() {
    let missing = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "managedclusteraddons \"cluster-gateway\" not found", "reason": "NotFound",
        "code": 404,
    });
    let hands = hands(404, &missing);
    let mut plan = Plan::default();
    let mut held = row("1", 5);
    held.metadata.finalizers = Some(vec!["ours".to_owned()]);
    plan.hold(&key(), &held, "ours", plan::Hold::Release);
    plan.hold(&key(), &row("1", 5), "ours", plan::Hold::Keep);
    let (outcomes, error) = hands.perform(&plan.actions).await;
    assert_eq!(error, None);
    assert!(
        matches!(&outcomes[..], [Outcome::Gone { key: gone, uid }] if *gone == key() && uid == "1"),
        "{outcomes:?}"
    );
}

fn configuration(version: u64, spec: &Value) -> Change {
    let object = json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "GatewayConfiguration",
        "metadata": {"name": "default", "uid": "1", "resourceVersion": version.to_string()}, "spec": spec,
    });
    let object = serde_json::from_value(object).expect("an object");
    Change::Object(Kind::GatewayConfiguration, Box::new(Event::Apply(object)))
}

#[tokio::test]
async fn while_nothing_may_be_planned_the_engine_sleeps() {
    let mut engine = engine();
    engine.watched(Event::Apply(row("1", 5)));
    assert_eq!(engine.pause(0), LONGEST_SLEEP, "not all kinds are listed");
    engine.observed.list_all();
    engine.observe(configuration(1, &json!({"egress": {"type": "Future"}})));
    assert!(engine.observed.unreadable().is_some());
    assert_eq!(engine.queue.next_due(Room::Any), Some(now()));
    let status_only = STATUS_PAUSE + Duration::from_millis(1);
    assert_eq!(engine.pause(0), status_only, "it is unreadable");
    engine.observe(configuration(2, &json!({})));
    assert!(engine.pause(0) < LONGEST_SLEEP);
}

#[tokio::test]
async fn while_all_hands_are_full_the_engine_sleeps_until_one_is_free() {
    let mut engine = engine();
    engine.observed.list_all();
    let pauses = |engine: &Engine| [0, AT_ONCE, MOST_AT_ONCE].map(|it| engine.pause(it));
    let soon = Duration::from_millis(1);
    engine
        .queue
        .touch(&Key::Cluster("managed1".to_owned()), now());
    assert_eq!(pauses(&engine), [soon, LONGEST_SLEEP, LONGEST_SLEEP]);
    engine.queue.touch(&Key::Hub, now());
    assert_eq!(pauses(&engine), [soon, soon, LONGEST_SLEEP]);
}

#[tokio::test]
async fn while_the_configuration_is_unreadable_only_its_status_is_planned() {
    let mut engine = engine();
    engine.observed.list_all();
    let expression = json!({"key": "env", "operator": "exists"});
    let selector = json!({"matchExpressions": [expression]});
    engine.observe(configuration(
        1,
        &json!({"clusters": {"selector": selector}}),
    ));
    let mut calls = JoinSet::new();
    engine.begin(&mut calls);
    assert!(calls.is_empty());
    assert_eq!(engine.pause(0), STATUS_PAUSE + Duration::from_millis(1));
    engine.informed_by = now();
    engine.queue.touch(&Key::Status, now());
    engine.begin(&mut calls);
    assert_eq!(calls.len(), 1);
    assert_eq!(engine.pause(1), LONGEST_SLEEP);
}
