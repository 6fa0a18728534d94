//! A gateway without a connected agent.

use std::time::Duration;

use e2e::Gateway;
use futures::{AsyncBufReadExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    stage::{SPOKES, Stage},
    streams::{Stream, WEBSOCKET},
    watches::{self, NEWS, number},
};
use crate::stage::GATEWAYS;

const SOON: Duration = Duration::from_secs(20);
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[tokio::test]
async fn a_gateway_without_the_tunnel_answers_through_the_one_that_has_it() {
    let only_first = |replicas: &e2e::Replicas| replicas.lead_to(&[0]);
    let stage = Stage::start_with(&[], only_first).await;
    let [has, lacks] = stage.replicas.each() else {
        panic!("there are two");
    };
    stage.answers().await;
    assert_eq!(stage.passed(has).await, 0);
    let before = stage.passed(lacks).await;
    assert!(before >= 2, "a pipe of each cluster: {before}");

    for spoke in SPOKES {
        let path = format!("{GATEWAYS}/{spoke}/proxy/healthz");
        for number in 0..40 {
            let answer = stage.ask(lacks, &path, "*/*").await;
            let good = Ok((200, "ok".to_owned()));
            assert_eq!(answer, good, "{spoke}, request {number}");
        }
    }
    watch_over_there(&stage, lacks).await;
    stream_both_ways(&stage, lacks).await;
    let passed = stage.passed(lacks).await;
    assert!(passed > before, "the upgraded connection has its own pipe");
    assert_eq!(stage.passed(has).await, 0);
    for gateway in [has, lacks] {
        assert_eq!(healthy(&stage, gateway).await, ["true", "true"]);
    }
}

/// Checks that a watch at the gateway sees changes on the spoke.
async fn watch_over_there(stage: &Stage, gateway: &Gateway) {
    let spoke = stage.world.cluster("managed1").client();
    watches::put(&spoke, 0).await;
    let path = format!("{GATEWAYS}/managed1/proxy{NEWS}");
    let events = stage.follow(gateway, &path).await;
    let mut lines = Box::pin(events).lines();
    for wanted in ["ADDED", "MODIFIED"] {
        let line = timeout(SOON, lines.next()).await.unwrap().unwrap();
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(event["type"], wanted, "{event}");
        if wanted == "ADDED" {
            watches::put(&spoke, 1).await;
        } else {
            assert_eq!(number(&event["object"]["data"]), 1);
        }
    }
}

async fn stream_both_ways(stage: &Stage, gateway: &Gateway) {
    let spoke = stage.world.cluster("managed1").client();
    let path = format!("{GATEWAYS}/managed1/proxy{NEWS}");
    let answer = stage.upgrade(gateway, &path, &WEBSOCKET).await;
    let mut stream = Stream::new(answer).await.unwrap();
    for wanted in 1..4 {
        let event = timeout(SOON, stream.next()).await.unwrap().unwrap();
        assert_eq!(number(&event["object"]["data"]), wanted, "{event}");
        watches::put(&spoke, wanted + 1).await;
    }
}

/// The column HEALTHY of `kubectl get clustergateways` at a gateway that is called directly.
async fn healthy(stage: &Stage, gateway: &Gateway) -> Vec<String> {
    let (status, body) = stage.ask(gateway, GATEWAYS, TABLE).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let table: Value = serde_json::from_str(&body).unwrap();
    let mut columns = table["columnDefinitions"].as_array().unwrap().iter();
    let column = columns.position(|column| column["name"] == json!("Healthy"));
    let column = column.unwrap();
    let rows = table["rows"].as_array().unwrap().iter();
    let cells = rows.map(|row| match &row["cells"][column] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    cells.collect()
}
