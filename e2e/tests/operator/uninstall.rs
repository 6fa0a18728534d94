//! `operator uninstall`, as `helm uninstall` runs it.

use e2e::{Operator, ocm::KlusterletOptions};
use serde_json::json;

use super::{
    hub::{kubectl, soon},
    stage::Stage,
};

const LISTED: &str = "gatewayconfigurations,clustermanagementaddons,managedclusteraddons,manifestworks,managedserviceaccounts,rolebindings,clusterrolebindings,clusterroles,apiservices";
const OURS: &str = "app.kubernetes.io/managed-by=spokeway-operator";

#[tokio::test]
async fn an_uninstall_waits_for_the_operator_and_leaves_nothing_also_where_a_cluster_is_away() {
    let clusters = [("managed1", KlusterletOptions::default())];
    let stage = Stage::set(&clusters, &["--removal-timeout=3"]).await;
    stage.configure(&json!({})).await;
    soon("healthz", || stage.through("managed1", "/healthz")).await;

    stage.operator.process().pause();
    let (done, said) = Operator::uninstall(stage.hub(), 3).await.unwrap();
    assert!(
        !done && said.contains("gave up after 3 s; still waiting for managed clusters: managed1"),
        "{said}"
    );
    stage.operator.process().resume();

    // Nothing runs that could revoke the token, remove the agent, or report that it is removed.
    stage.klusterlets[0].work().kill();
    stage.kubelets["managed1"].lose_nodes();
    let (done, said) = Operator::uninstall(stage.hub(), 60).await.unwrap();
    assert!(done && said.contains("removed"), "{said}");
    let left = ["get", LISTED, "-A", "-l", OURS, "-o", "name"];
    let work = "manifestwork.work.open-cluster-management.io/addon-cluster-gateway-deploy-0";
    assert_eq!(stage.kubectl(&left).await.unwrap().trim(), work);
    stage.klusterlets[0].work().restart().unwrap();
    let spoke = stage.world.cluster("managed1");
    let agent = ["get", "deployment,serviceaccount", "-A", "-o", "name"];
    let gone = || async {
        let left = kubectl(spoke, &agent).await?;
        if left.contains("spokeway") {
            Err(left)
        } else {
            Ok(())
        }
    };
    soon("the agent is gone", gone).await;
    let gone = || async {
        let left = stage.kubectl(&left).await?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    };
    soon("the work is gone", gone).await;

    // A second run has nothing to do.
    let (done, said) = Operator::uninstall(stage.hub(), 3).await.unwrap();
    assert!(done, "{said}");
}
