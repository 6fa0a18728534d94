//! Agents that are not what they claim to be, or that may not attach any more.

use std::time::Duration;

use e2e::{Agent, AgentOptions, Authority, Leaf, eventually};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::{Api, api::DeleteParams};

use super::stage::Stage;

const OF_MANAGED1: &str =
    "system:open-cluster-management:cluster:managed1:addon:cluster-proxy:agent:e2e";
const SECONDS: Duration = Duration::from_secs(20);

/// Waits until the gateway has refused one more agent, and checks that none is attached.
async fn refused(stage: &Stage, before: f64, agent: &Agent, wanted: &str) {
    let refusals = || async {
        let now = stage.metric("gateway_attach_refusals_total").await;
        if now > before { Ok(()) } else { Err(now) }
    };
    eventually(SECONDS, "an agent is refused", refusals)
        .await
        .unwrap();
    let log = stage.gateway.process().tail(50).to_string();
    assert!(log.contains(wanted), "{log}");
    for spoke in ["managed1", "managed2"] {
        assert_eq!(stage.get(spoke, "/healthz").await.0, 503, "{spoke}");
    }
    agent.kill();
}

#[tokio::test]
async fn an_agent_attaches_only_the_cluster_that_its_credential_names() {
    let stage = Stage::with_two().await;
    let spoke = stage.world.cluster("managed1");

    // This agent claims another cluster than the hub knows it as.
    let before = stage.metric("gateway_attach_refusals_total").await;
    let lies = AgentOptions {
        cluster: Some("managed2".to_owned()),
        ..AgentOptions::default()
    };
    let liar = Agent::start(stage.hub(), spoke, lies).await.unwrap();
    refused(&stage, before, &liar, "may not attach managed cluster").await;
    let told = || async {
        let log = liar.process().tail(50).to_string();
        if log.contains("an agent may attach only the cluster") {
            Ok(())
        } else {
            Err(log)
        }
    };
    eventually(SECONDS, "the agent's log says why", told)
        .await
        .unwrap();

    // A certificate of another CA, one that has expired, and one that is not an agent's.
    let strangers = [
        (
            Authority::new("agents-ca")
                .unwrap()
                .issue_client(OF_MANAGED1, &[]),
            "certificate is not valid",
        ),
        (
            stage
                .tunnel_port
                .authority()
                .issue(&Leaf::client(OF_MANAGED1, &[]).expired()),
            "xpired",
        ),
        (
            stage.tunnel_port.authority().issue_client("somebody", &[]),
            "is not that of a managed cluster's agent",
        ),
    ];
    for (number, (identity, wanted)) in strangers.into_iter().enumerate() {
        let before = stage.metric("gateway_attach_refusals_total").await;
        let options = stage.by_mtls(&format!("stranger-{number}"), &identity.unwrap());
        let stranger = Agent::start(stage.hub(), spoke, options).await.unwrap();
        refused(&stage, before, &stranger, wanted).await;
    }

    // A certificate of managed1 that is used beside managed2 still speaks only for managed1.
    let stolen = stage
        .tunnel_port
        .authority()
        .issue_client(OF_MANAGED1, &[])
        .unwrap();
    let options = stage.by_mtls("stolen", &stolen);
    let thief = stage.world.cluster("managed2");
    let _thief = Agent::attached(stage.hub(), thief, options).await.unwrap();
    stage.reached("managed1").await;
    assert_eq!(stage.get("managed2", "/healthz").await.0, 503);
    // The API server behind it is not managed1's, because its certificate is signed by another CA.
    let (code, body) = stage.get("managed1", "/healthz").await;
    assert!(
        code == 502 && body.contains("invalid peer certificate"),
        "{code} {body}"
    );
}

#[tokio::test]
async fn an_agent_that_may_no_longer_attach_is_cut() {
    let stage = Stage::with_one().await;
    let _agent = stage.agent("managed1").await;
    assert_eq!(stage.get("managed1", "/healthz").await.0, 200);
    let cut = || async {
        let (code, body) = stage.get("managed1", "/healthz").await;
        if code == 503 { Ok(()) } else { Err(body) }
    };

    let bindings = Api::<ClusterRoleBinding>::all(stage.hub().client());
    let binding = bindings.get("spokeway-agent-tunnel").await.unwrap();
    bindings
        .delete("spokeway-agent-tunnel", &DeleteParams::default())
        .await
        .unwrap();
    eventually(SECONDS, "cut when RBAC no longer allows it", cut)
        .await
        .unwrap();

    let mut binding = binding;
    binding.metadata.resource_version = None;
    binding.metadata.uid = None;
    bindings
        .create(&kube::api::PostParams::default(), &binding)
        .await
        .unwrap();
    let back = || async {
        let (code, body) = stage.get("managed1", "/healthz").await;
        if code == 200 { Ok(()) } else { Err(body) }
    };
    eventually(Duration::from_secs(40), "back when RBAC allows it", back)
        .await
        .unwrap();

    let ends = stage.metric("gateway_tunnel_ends_total").await;
    stage.gateway.unregister_spoke("managed1").await.unwrap();
    let gone = || async {
        let now = stage.metric("gateway_tunnel_ends_total").await;
        if now > ends { Ok(()) } else { Err(now) }
    };
    eventually(SECONDS, "cut when the cluster is gone", gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn services_are_denied_unless_gateway_and_agent_both_list_them() {
    let stage = Stage::with_one().await;
    let args = vec!["--expose=web/front:80".to_owned()];
    let options = AgentOptions {
        args,
        ..AgentOptions::default()
    };
    let spoke = stage.world.cluster("managed1");
    let _agent = Agent::attached(stage.hub(), spoke, options).await.unwrap();
    stage.reached("managed1").await;
    let table = [
        ("kube-system/dns:53", 403, "is not exposed by the gateway"),
        ("web/back:80/", 502, "the agent does not serve this target"),
        // Both allow this target, but there is no DNS here that knows it.
        (
            "web/front:80/",
            503,
            "does not resolve on the managed cluster",
        ),
        ("web/front:80/../x", 400, "segment"),
        ("web/Front:80/", 400, "cannot be a service"),
    ];
    for (service, code, wanted) in table {
        let answer = stage.service("managed1", service).await;
        assert!(
            answer.0 == code && answer.1.contains(wanted),
            "{service}: {answer:?}"
        );
        assert!(
            answer.1.contains("\"kind\":\"Status\""),
            "{service}: {answer:?}"
        );
    }
    let mallory = stage.hub().client_as("mallory", &[]).unwrap();
    let path =
        "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/services/web/front:80/";
    let (code, body) = super::stage::get(&mallory, path).await;
    assert!(
        code == 403 && body.contains("clustergateways/services"),
        "{code} {body}"
    );
}
