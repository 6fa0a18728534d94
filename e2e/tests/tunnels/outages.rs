//! If a process in between dies, callers get an error, it comes back, and only what was in flight
//! is lost.

use std::{cell::Cell, time::Duration};

use e2e::eventually;
use futures::{StreamExt as _, future::join_all, stream::BoxStream};
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::PostParams,
    runtime::watcher::{self, Event, watcher},
};
use serde_json::json;
use tokio::{
    join,
    time::{Instant, sleep, timeout},
};

use super::stage::{GATEWAYS, Stage, through_hub};

const SOON: Duration = Duration::from_secs(20);
/// The number of callers of the gateway that is restarted.
const CALLERS: usize = 8;
/// The number of requests that they must complete before, and again after.
const ENOUGH: usize = 50;
/// How long an informer waits before it tries again.
const RETRY: Duration = Duration::from_millis(50);

#[tokio::test]
async fn an_agent_that_dies_is_told_at_once_and_comes_back() {
    let stage = Stage::with_one().await;
    let agent = stage.agent("managed1").await;
    assert_eq!(stage.get("managed1", "/healthz").await.0, 200);
    let hub = stage.hub();
    let path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy";
    let watch =
        format!("{path}/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Ddefault");
    let mut watching = hub.kubectl(&["get", "--raw", &watch]).spawn().unwrap();
    watching
        .line_with("ADDED", Duration::from_secs(10))
        .await
        .unwrap()
        .unwrap();
    // The spoke keeps them waiting while the agent dies.
    let apiserver = stage.world.cluster("managed1").apiserver();
    apiserver.pause();
    let in_flight = join_all((0..8).map(|_| stage.get("managed1", "/api/v1/namespaces")));
    let killed = async {
        let waiting = || async {
            let waiting = stage.metric("gateway_waiting_requests").await;
            if waiting >= 8.0 { Ok(()) } else { Err(waiting) }
        };
        eventually(Duration::from_secs(5), "the requests wait", waiting)
            .await
            .unwrap();
        agent.kill();
        Instant::now()
    };
    let (answers, killed) = tokio::join!(in_flight, killed);
    let took = killed.elapsed();
    apiserver.resume();
    for (code, body) in answers {
        assert!([502, 503].contains(&code), "{code} {body}");
        assert!(
            body.contains("\"kind\":\"Status\"") && body.contains("managed1"),
            "{body}"
        );
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
    // The end of a watch must look like a normal end, after which clients resume, and not like an
    // error.
    assert_eq!(watching.line(Duration::from_secs(1)).await.unwrap(), None);
    let watched = watching.wait().await;
    assert!(watched.status.success(), "{watched}");
    let (code, body) = stage.get("managed1", "/healthz").await;
    assert!(
        code == 503 && body.contains("no agent of this cluster is connected"),
        "{code} {body}"
    );
    assert!(
        stage
            .shown("managed1")
            .await
            .contains("no agent of this cluster is connected")
    );

    let restarted = Instant::now();
    agent.restart().await.unwrap();
    served(&stage).await;
    let took = restarted.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_gateway_that_restarts_is_found_again_by_its_agents() {
    let stage = Stage::with_one().await;
    let agent = stage.agent("managed1").await;
    assert_eq!(stage.get("managed1", "/healthz").await.0, 200);
    for graceful in [true, false] {
        if graceful {
            stage.gateway.stop().await;
        } else {
            stage.gateway.kill();
        }
        stage.gateway.restart().await.unwrap();
        served(&stage).await;
    }
    agent.is_attached().await.unwrap();
}

#[tokio::test]
async fn an_informer_resumes_behind_an_agent_that_died() {
    let stage = Stage::with_one().await;
    let agent = stage.agent("managed1").await;
    let spoke = Api::<ConfigMap>::namespaced(stage.world.cluster("managed1").client(), "default");
    let create = async |name: &str| {
        let map = json!({"metadata": {"name": name}});
        let map = serde_json::from_value(map).unwrap();
        spoke.create(&PostParams::default(), &map).await.unwrap();
    };
    let through_hub = through_hub(stage.hub(), "managed1").await;
    let maps = Api::<ConfigMap>::namespaced(through_hub, "default");
    let mut events = watcher(maps, watcher::Config::default()).boxed();
    let list = async { while !matches!(events.next().await.unwrap().unwrap(), Event::InitDone) {} };
    timeout(SOON, list).await.unwrap();

    create("before").await;
    applied(&mut events, "before").await;
    agent.kill();
    create("meanwhile").await;
    let (restarted, ()) = join!(agent.restart(), applied(&mut events, "meanwhile"));
    restarted.unwrap();
    create("afterwards").await;
    applied(&mut events, "afterwards").await;
}

/// Waits for a change, and checks that nothing is listed again for it: the previous watch ended
/// normally, and only the start of another one may have failed.
async fn applied(events: &mut BoxStream<'_, watcher::Result<Event<ConfigMap>>>, name: &str) {
    let applied = async {
        loop {
            match events.next().await.unwrap() {
                Ok(Event::Apply(map)) if map.metadata.name.as_deref() == Some(name) => return,
                Ok(Event::Apply(_)) => {}
                Err(watcher::Error::WatchStartFailed(_)) => sleep(RETRY).await,
                other => panic!("{name}: {other:?}"),
            }
        }
    };
    timeout(SOON, applied).await.expect(name);
}

/// One request of a caller.
#[derive(Debug)]
struct Asked {
    begun: Instant,
    ended: Instant,
    /// `None` if the hub broke off, too, because the gateway died in the middle of its answer.
    code: Option<u16>,
}

#[tokio::test]
async fn a_gateway_restarted_under_load_loses_only_what_is_in_flight() {
    let stage = Stage::with_one().await;
    let _agent = stage.agent("managed1").await;
    served(&stage).await;
    for graceful in [true, false] {
        let (over, done) = (Cell::new(false), Cell::new(0_usize));
        let callers = join_all((0..CALLERS).map(|_| caller(&stage, &over, &done)));
        let restart = async {
            enough(&done).await;
            let told = Instant::now();
            if graceful {
                stage.gateway.stop().await;
            } else {
                stage.gateway.kill();
            }
            let gone = Instant::now();
            stage.gateway.restart().await.unwrap();
            served(&stage).await;
            let back = Instant::now();
            enough(&done).await;
            over.set(true);
            (told, gone, back)
        };
        let (asked, (told, gone, back)) = join!(callers, restart);
        let asked: Vec<_> = asked.into_iter().flatten().collect();
        let lost = asked.iter().filter(|it| it.code != Some(200));
        let (in_flight, later): (Vec<_>, Vec<_>) = lost.partition(|it| it.begun < told);
        assert!(
            in_flight.len() <= CALLERS,
            "graceful: {graceful}, {in_flight:?}"
        );
        for lost in in_flight {
            assert!(lost.ended > told, "graceful: {graceful}, {lost:?}");
        }
        // While there is no gateway, the hub reports that at once. Afterwards nothing fails.
        for refused in later {
            assert!(
                refused.begun < back && (refused.begun < gone || refused.code >= Some(500)),
                "graceful: {graceful}, {refused:?}"
            );
        }
    }
}

/// Sends one request after the other until the test is over.
async fn caller(stage: &Stage, over: &Cell<bool>, done: &Cell<usize>) -> Vec<Asked> {
    let client = stage.hub().client();
    let path = format!("{GATEWAYS}/managed1/proxy/api/v1/namespaces/default");
    let mut asked = Vec::new();
    while !over.get() {
        let begun = Instant::now();
        let request = Request::get(&path).body(kube::client::Body::empty());
        let code = async {
            let answer = client.send(request.unwrap()).await.ok()?;
            let code = answer.status().as_u16();
            answer.into_body().collect_bytes().await.ok()?;
            Some(code)
        };
        let code = code.await;
        let ended = Instant::now();
        if code == Some(200) {
            done.set(done.get() + 1);
        } else {
            sleep(RETRY).await;
        }
        asked.push(Asked { begun, ended, code });
    }
    asked
}

/// Waits until the same number of requests has been completed again.
async fn enough(done: &Cell<usize>) {
    let wanted = done.get() + ENOUGH;
    let enough = || async {
        match done.get() {
            seen if seen >= wanted => Ok(()),
            seen => Err(seen),
        }
    };
    eventually(SOON, "requests are answered", enough)
        .await
        .unwrap();
}

async fn served(stage: &Stage) {
    let served = || async {
        match stage.get("managed1", "/healthz").await {
            (200, _) => Ok(()),
            (code, body) => Err(format!("{code} {body}")),
        }
    };
    eventually(SOON, "served again", served).await.unwrap();
}
