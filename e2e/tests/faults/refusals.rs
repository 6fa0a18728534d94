//! Conflicts with others: a policy that refuses the operator's writes, and a manager that sets the
//! same fields.

use std::time::Duration;

use e2e::eventually;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    hub::{AVAILABLE_WITHIN, read, soon},
    quick::{Quick, policy},
};

const BINDING: &str = "spokeway-agent-tunnel";
const RBAC: &str = "rbac.authorization.k8s.io";

#[tokio::test]
async fn who_refuses_or_insists_is_named_until_it_ends() {
    let quick = Quick::set().await;
    a_policy_that_refuses(&quick).await;
    another_owner_of_a_field(&quick).await;
    another_owner_that_insists(&quick).await;
}

async fn a_policy_that_refuses(quick: &Quick) {
    let denied = policy("no-bindings", RBAC, "clusterrolebindings", "true");
    let apply = quick.hub().kubectl(&["apply", "-f", "-"]).stdin(denied);
    apply.ok().await.unwrap();
    // A policy takes effect after a moment. Until then deleted objects are created again.
    let refused = || async {
        let delete = [
            "delete",
            "clusterrolebinding",
            BINDING,
            "--ignore-not-found",
        ];
        quick.kubectl(&delete).await?;
        quick.condition("GatewayInstalled", "Invalid").await
    };
    let said = soon("the refusal is said", refused).await;
    for words in [BINDING, "not on my watch", "since "] {
        assert!(said.contains(words), "{said}");
    }
    let degraded = quick.condition("Degraded", "Invalid").await;
    assert_eq!(degraded.unwrap(), said);
    quick
        .kubectl(&["get", "clusterrolebinding", BINDING])
        .await
        .unwrap_err();
    for kind in [
        "validatingadmissionpolicybinding",
        "validatingadmissionpolicy",
    ] {
        quick
            .kubectl(&["delete", kind, "no-bindings"])
            .await
            .unwrap();
    }
    let made = || quick.kubectl(&["get", "clusterrolebinding", BINDING]);
    soon("it is made once nobody refuses", made).await;
    soon("and all is well", || {
        quick.condition("GatewayInstalled", "Installed")
    })
    .await;
}

/// If the field is taken back once, nothing is reported.
async fn another_owner_of_a_field(quick: &Quick) {
    let wanted = subjects(quick).await.unwrap();
    meddle(quick).await;
    let taken_back = || async {
        let binding = binding(quick).await?;
        let managers = binding["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .iter();
        // Both say the same roleRef, which a binding cannot do without.
        let of_rival =
            |it: &&Value| it["manager"] == "rival" && !it["fieldsV1"]["f:subjects"].is_null();
        let rivals = managers.filter(of_rival).count();
        if binding["subjects"] == wanted && rivals == 0 {
            Ok(())
        } else {
            Err(binding.to_string())
        }
    };
    soon("the field is ours again", taken_back).await;
    quick
        .condition("GatewayInstalled", "Installed")
        .await
        .unwrap();
}

/// If it happens repeatedly, the field is taken back ever more slowly, and that is reported.
async fn another_owner_that_insists(quick: &Quick) {
    let wanted = subjects(quick).await.unwrap();
    let contested = || async {
        meddle(quick).await;
        quick.condition("GatewayInstalled", "Contested").await
    };
    let said = soon("the contest is said", contested).await;
    for words in [BINDING, "rival", "subjects"] {
        assert!(said.contains(words), "{said}");
    }
    let before = quick
        .metric("operator_writes_total", &["kind=\"ClusterRoleBinding\""])
        .await;
    for _ in 0..12 {
        meddle(quick).await;
        sleep(Duration::from_millis(50)).await;
    }
    let after = quick
        .metric("operator_writes_total", &["kind=\"ClusterRoleBinding\""])
        .await;
    assert!(
        after - before < 6.0,
        "{} writes for 12 of the rival",
        after - before
    );
    let well = || quick.condition("GatewayInstalled", "Installed");
    eventually(AVAILABLE_WITHIN, "all is well once it gives in", well)
        .await
        .unwrap();
    assert_eq!(subjects(quick).await.unwrap(), wanted);
}

async fn meddle(quick: &Quick) {
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": BINDING},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": BINDING},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "rivals"}],
    });
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=rival",
        "-f",
        "-",
    ];
    let apply = quick.hub().kubectl(&apply).stdin(binding.to_string());
    apply.ok().await.unwrap();
}

async fn subjects(quick: &Quick) -> Result<Value, String> {
    Ok(binding(quick).await?["subjects"].clone())
}

async fn binding(quick: &Quick) -> Result<Value, String> {
    let binding = ["clusterrolebinding", BINDING, "--show-managed-fields"];
    read(quick.hub(), &binding).await
}
