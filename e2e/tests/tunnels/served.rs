//! A tunnelled cluster is served like any other.

use std::time::Duration;

use e2e::Agent;

use super::stage::Stage;

const AGENT: &str = "system:open-cluster-management:cluster:managed2:addon:cluster-proxy:agent:e2e";

#[tokio::test]
async fn both_entrances_serve_all_of_kubectl() {
    let stage = Stage::with_two().await;
    let _through_hub = stage.agent("managed1").await;
    let identity = stage
        .tunnel_port
        .authority()
        .issue_client(AGENT, &[])
        .unwrap();
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
        // A bulk answer that is larger than any window on its way.
        let big = kubectl(&["get", "--raw", "/openapi/v2"]).ok().await;
        let there = stage.world.cluster(spoke);
        let direct = there.kubectl(&["get", "--raw", "/openapi/v2"]).ok().await;
        assert_eq!(big.unwrap().len(), direct.unwrap().len());
    }
}
