//! How a derived cluster is reached, and what the list shows.

use e2e::{Agent, AgentOptions, free_port};

use crate::stage::{SOON, Stage, proxy};

#[tokio::test]
async fn through_the_tunnel_while_an_agent_is_attached_and_else_at_its_address() {
    let stage = Stage::shared().await;
    stage.register("managed1", &[stage.spoke().url()]).await;
    stage.project("managed1", "ways").await;
    stage.answers("managed1", 200, "default").await;
    let direct = ["ServiceAccountToken", "Const", "true"];
    stage.shows("managed1", &direct).await;

    let options = AgentOptions::default();
    let agent = Agent::attached(stage.hub(), stage.spoke(), options).await;
    let agent = agent.unwrap();
    let tunnelled = ["ServiceAccountToken", "ClusterProxy", "true"];
    stage.shows("managed1", &tunnelled).await;
    stage.answers("managed1", 200, "default").await;
    let server = format!("{}{}", stage.hub().url(), proxy("managed1", ""));
    let hub = stage.hub();
    let config = hub.write_kubeconfig("derived.kubeconfig", &server, &hub.ca_pem(), hub.admin());
    let listed = hub.kubectl_with(&config.unwrap(), &["get", "namespaces"]);
    let listed = listed.ok().await.unwrap();
    assert!(listed.contains("token-agent"), "{listed}");

    agent.kill();
    stage.shows("managed1", &direct).await;
    stage.answers("managed1", 200, "default").await;
}

#[tokio::test]
async fn a_cluster_without_addresses_is_reached_through_its_tunnel() {
    let stage = Stage::shared().await;
    stage.register("fenced", &[]).await;
    stage.project("fenced", "fenced").await;
    let absent = "no agent of this cluster is connected";
    stage.answers("fenced", 503, absent).await;
    stage.shows("fenced", &["ClusterProxy", "false"]).await;
    let options = AgentOptions {
        identity: Some("fenced".to_owned()),
        cluster: Some("fenced".to_owned()),
        ..AgentOptions::default()
    };
    let attached = Agent::attached(stage.hub(), stage.spoke(), options).await;
    let _agent = attached.unwrap();
    stage.answers("fenced", 200, "default").await;
    let shown = stage.shows("fenced", &["ClusterProxy", "true"]).await;
    assert!(shown.contains("ServiceAccountToken"), "{shown}");
}

#[tokio::test]
async fn a_dead_address_hands_over_to_the_next_and_is_not_tried_again_at_once() {
    let stage = Stage::shared().await;
    let dead = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    dead.set_nonblocking(true).unwrap();
    let first = format!("https://{}", dead.local_addr().unwrap());
    stage
        .register("two-addresses", &[&first, stage.spoke().url()])
        .await;
    // The listener there ends every connection before TLS is up, and counts them.
    let tried = || {
        let mut count = 0;
        while dead.accept().is_ok() {
            count += 1;
        }
        count
    };
    stage.project("two-addresses", "two").await;
    let closing = async {
        let mut count = 0;
        e2e::eventually(SOON, "the first address is tried", || {
            count += tried();
            std::future::ready(if count > 0 { Ok(()) } else { Err("not yet") })
        })
        .await
        .unwrap();
    };
    let answered = stage.answers("two-addresses", 200, "default");
    tokio::join!(answered, closing);
    for _ in 0..20 {
        let (code, body) = stage.get("two-addresses", "/healthz").await;
        assert_eq!((code, body.as_str()), (200, "ok"));
    }
    assert_eq!(tried(), 0);
    let get = ["get", "clustergateway", "two-addresses", "-o", "yaml"];
    let shown = stage.hub().kubectl(&get).ok().await.unwrap();
    assert!(shown.contains(stage.spoke().url()), "{shown}");
}
