//! A tunnelled cluster is served like any other, and what dies in between is told and comes back.

use std::time::Duration;

use e2e::{Agent, eventually};
use futures::future::join_all;
use tokio::time::Instant;

use super::stage::Stage;

const AGENT: &str = "system:open-cluster-management:cluster:managed2:addon:cluster-proxy:agent:e2e";

#[tokio::test]
async fn both_entrances_serve_all_of_kubectl() {
    let stage = Stage::start().await;
    let _through_hub = stage.agent("managed1").await;
    let identity = stage.authority.issue_client(AGENT, &[]).unwrap();
    let options = stage.by_mtls("managed2", &identity);
    let spoke = stage.world.cluster("managed2");
    let _by_mtls = Agent::attached(stage.hub(), spoke, options).await.unwrap();
    stage.reached("managed2").await;

    for spoke in ["managed1", "managed2"] {
        assert_eq!(stage.get(spoke, "/healthz").await, (200, "ok".to_owned()));
        let shown = stage.shown(spoke).await;
        assert!(
            shown.contains("ClusterProxy") && shown.contains("true"),
            "{shown}"
        );
        let hub = stage.hub();
        let server = format!(
            "{}/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{spoke}/proxy",
            hub.url()
        );
        let file = format!("{spoke}.kubeconfig");
        let config = hub
            .write_kubeconfig(&file, &server, &hub.ca_pem(), hub.admin())
            .unwrap();
        let kubectl = |args: &[&str]| hub.kubectl_with(&config, args);
        let create = ["create", "configmap", "tunnelled", "--from-literal=a=b"];
        kubectl(&create).ok().await.unwrap();
        let watch = [
            "get",
            "configmap",
            "tunnelled",
            "-w",
            "--output-watch-events",
        ];
        let mut watching = kubectl(&watch).spawn().unwrap();
        watching
            .line_with("ADDED", Duration::from_secs(10))
            .await
            .unwrap()
            .unwrap();
        kubectl(&["delete", "configmap", "tunnelled"])
            .ok()
            .await
            .unwrap();
        watching
            .line_with("DELETED", Duration::from_secs(10))
            .await
            .unwrap()
            .unwrap();
        // A bulk answer, larger than any window on its way.
        let big = kubectl(&["get", "--raw", "/openapi/v2"]).ok().await;
        let direct = stage
            .world
            .cluster(spoke)
            .kubectl(&["get", "--raw", "/openapi/v2"])
            .ok()
            .await;
        assert_eq!(big.unwrap().len(), direct.unwrap().len());
    }
}

#[tokio::test]
async fn an_agent_that_dies_is_told_at_once_and_comes_back() {
    let stage = Stage::start().await;
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
    let (code, body) = stage.get("managed1", "/healthz").await;
    assert!(
        code == 503 && body.contains("no agent of it is connected"),
        "{code} {body}"
    );
    assert!(
        stage
            .shown("managed1")
            .await
            .contains("no agent of it is connected")
    );

    agent.restart().await.unwrap();
    stage.reached("managed1").await;
    assert_eq!(stage.get("managed1", "/healthz").await.0, 200);
}

#[tokio::test]
async fn a_gateway_that_restarts_is_found_again_by_its_agents() {
    let stage = Stage::start().await;
    let agent = stage.agent("managed1").await;
    assert_eq!(stage.get("managed1", "/healthz").await.0, 200);
    for graceful in [true, false] {
        if graceful {
            stage.gateway.stop().await;
        } else {
            stage.gateway.kill();
        }
        stage.gateway.restart().await.unwrap();
        let served = || async {
            let answer = stage.get("managed1", "/healthz").await;
            if answer.0 == 200 {
                Ok(())
            } else {
                Err(answer.1)
            }
        };
        eventually(Duration::from_secs(20), "served again", served)
            .await
            .unwrap();
    }
    agent.is_attached().await.unwrap();
}
