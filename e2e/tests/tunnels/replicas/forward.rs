//! A gateway without a connected agent, and agents that are replaced at the other one.

use std::{sync::Arc, time::Duration};

use e2e::{Agent, AgentOptions, Gateway};
use futures::{AsyncBufReadExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    callers::{Entrance, call},
    stage::{SPOKES, Stage},
    streams::{Stream, WEBSOCKET},
    watches::{self, NEWS, number},
};
use crate::stage::GATEWAYS;

const SOON: Duration = Duration::from_secs(20);
/// Far less than an agent waits for its open pipes.
const PIPES_MOVE_WITHIN: Duration = Duration::from_secs(8);
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

/// The pipes of a gateway without an agent go through the tunnels of an agent that leaves.
#[tokio::test]
async fn an_agent_that_is_replaced_fails_no_request_of_a_gateway_without_it() {
    let only_first = |replicas: &e2e::Replicas| replicas.lead_to(&[0]);
    let mut stage = Stage::start_with(&[], only_first).await;
    stage.answers().await;
    let client = stage.replicas.each()[1].client_with(&stage.front_proxy());
    let (over, is_over) = watch::channel(false);
    let (done, mut callers) = (Arc::default(), JoinSet::new());
    for number in 0..4 {
        let by = Entrance::Gateway;
        callers.spawn(call(
            by,
            client.clone(),
            number,
            is_over.clone(),
            Arc::clone(&done),
        ));
    }
    for (index, name) in SPOKES.into_iter().enumerate() {
        let (hub, spoke) = (stage.hub(), stage.world.cluster(name));
        let next = Agent::attached(hub, spoke, AgentOptions::default()).await;
        let old = std::mem::replace(&mut stage.agents[index], next.unwrap());
        let begin = Instant::now();
        let status = old.stop().await;
        assert!(status.success(), "{status}");
        let took = begin.elapsed();
        assert!(took < PIPES_MOVE_WITHIN, "it waited for pipes: {took:?}");
    }
    over.send_replace(true);
    let failed: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:#?}");
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
