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

const ROLE: &str = "spokeway-agent-tunnel";
const RBAC: &str = "rbac.authorization.k8s.io";

#[tokio::test]
async fn who_refuses_or_insists_is_named_until_it_ends() {
    let quick = Quick::set().await;
    a_policy_that_refuses(&quick).await;
    another_owner_of_a_field(&quick).await;
    another_owner_that_insists(&quick).await;
}

async fn a_policy_that_refuses(quick: &Quick) {
    let denied = policy("no-roles", RBAC, "clusterroles", "true");
    let apply = quick.hub().kubectl(&["apply", "-f", "-"]).stdin(denied);
    apply.ok().await.unwrap();
    // A policy takes effect after a moment. Until then deleted objects are created again.
    let refused = || async {
        let delete = ["delete", "clusterrole", ROLE, "--ignore-not-found"];
        quick.kubectl(&delete).await?;
        quick.condition("AddOnsAvailable", "Invalid").await
    };
    let said = soon("the refusal is said", refused).await;
    for words in [ROLE, "not on my watch", "since "] {
        assert!(said.contains(words), "{said}");
    }
    let degraded = quick.condition("Degraded", "Invalid").await;
    assert_eq!(degraded.unwrap(), said);
    quick
        .kubectl(&["get", "clusterrole", ROLE])
        .await
        .unwrap_err();
    for kind in [
        "validatingadmissionpolicybinding",
        "validatingadmissionpolicy",
    ] {
        quick.kubectl(&["delete", kind, "no-roles"]).await.unwrap();
    }
    let made = || quick.kubectl(&["get", "clusterrole", ROLE]);
    soon("it is made once nobody refuses", made).await;
    soon("and all is well", || {
        quick.condition("AddOnsAvailable", "Installed")
    })
    .await;
}

/// If the field is taken back once, nothing is reported.
async fn another_owner_of_a_field(quick: &Quick) {
    let wanted = rules(quick).await.unwrap();
    meddle(quick).await;
    let taken_back = || async {
        let role = role(quick).await?;
        let managers = role["metadata"]["managedFields"].as_array().unwrap().iter();
        let rivals = managers.filter(|it| it["manager"] == "rival").count();
        if role["rules"] == wanted && rivals == 0 {
            Ok(())
        } else {
            Err(role.to_string())
        }
    };
    soon("the field is ours again", taken_back).await;
    quick
        .condition("AddOnsAvailable", "Installed")
        .await
        .unwrap();
}

/// If it happens repeatedly, the field is taken back ever more slowly, and that is reported.
async fn another_owner_that_insists(quick: &Quick) {
    let wanted = rules(quick).await.unwrap();
    let contested = || async {
        meddle(quick).await;
        quick.condition("AddOnsAvailable", "Contested").await
    };
    let said = soon("the contest is said", contested).await;
    for words in [ROLE, "rival", "rules"] {
        assert!(said.contains(words), "{said}");
    }
    let before = quick
        .metric("operator_writes_total", &["kind=\"ClusterRole\""])
        .await;
    for _ in 0..12 {
        meddle(quick).await;
        sleep(Duration::from_millis(50)).await;
    }
    let after = quick
        .metric("operator_writes_total", &["kind=\"ClusterRole\""])
        .await;
    assert!(
        after - before < 6.0,
        "{} writes for 12 of the rival",
        after - before
    );
    let well = || quick.condition("AddOnsAvailable", "Installed");
    eventually(AVAILABLE_WITHIN, "all is well once it gives in", well)
        .await
        .unwrap();
    assert_eq!(rules(quick).await.unwrap(), wanted);
}

async fn meddle(quick: &Quick) {
    let role = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": ROLE},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    });
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=rival",
        "-f",
        "-",
    ];
    let apply = quick.hub().kubectl(&apply).stdin(role.to_string());
    apply.ok().await.unwrap();
}

async fn rules(quick: &Quick) -> Result<Value, String> {
    Ok(role(quick).await?["rules"].clone())
}

async fn role(quick: &Quick) -> Result<Value, String> {
    let role = ["clusterrole", ROLE, "--show-managed-fields"];
    read(quick.hub(), &role).await
}
