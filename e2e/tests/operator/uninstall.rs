//! `operator uninstall`, as `helm uninstall` runs it.

use e2e::{Operator, ocm::KlusterletOptions};
use serde_json::json;

use super::stage::{Stage, kubectl, soon};

const LISTED: &str = "gatewayconfigurations,clustermanagementaddons,managedclusteraddons,manifestworks,managedserviceaccounts,rolebindings,clusterrolebindings,clusterroles,apiservices";
const OURS: &str = "app.kubernetes.io/managed-by=spokeway-operator";

#[tokio::test]
async fn an_uninstall_waits_for_the_operator_and_leaves_nothing() {
    let stage = Stage::set(&[("managed1", KlusterletOptions::default())], &[]).await;
    stage.configure(&json!({})).await;
    soon("healthz", || stage.through("managed1", "/healthz")).await;

    stage.operator.process().pause();
    let (done, said) = Operator::uninstall(stage.hub(), 3).await.unwrap();
    assert!(
        !done && said.contains("gave up after 3 s, waiting for managed clusters: managed1"),
        "{said}"
    );
    stage.operator.process().resume();

    let (done, said) = Operator::uninstall(stage.hub(), 60).await.unwrap();
    assert!(done && said.contains("removed"), "{said}");
    let left = ["get", LISTED, "-A", "-l", OURS, "-o", "name"];
    assert_eq!(stage.kubectl(&left).await.unwrap(), "");
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

    // Again, with nothing to do.
    let (done, said) = Operator::uninstall(stage.hub(), 3).await.unwrap();
    assert!(done, "{said}");
}
