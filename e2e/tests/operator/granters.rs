//! Who may grant: the verb `grant` on clusters and placements limits who may create or change a
//! grant. Invalid grants are refused for everybody.

use std::path::PathBuf;

use e2e::{Cluster, Operator, World};
use serde_json::{Value, json};

use super::{grants::grant, hub::soon};

struct Bob {
    world: World,
    kubeconfig: PathBuf,
}

impl Bob {
    async fn new() -> Self {
        let world = World::builder().cluster("hub").start().await.unwrap();
        let hub = world.cluster("hub");
        Operator::install(hub).await.unwrap();
        granter(hub).await;
        let bob = hub.certificate_of("bob", &[]).unwrap();
        let kubeconfig = hub.write_kubeconfig("bob.kubeconfig", hub.url(), &hub.ca_pem(), &bob);
        Self {
            kubeconfig: kubeconfig.unwrap(),
            world,
        }
    }

    async fn kubectl(&self, args: &[&str], stdin: String) -> Result<String, String> {
        let kubectl = self
            .world
            .cluster("hub")
            .kubectl_with(&self.kubeconfig, args);
        let done = kubectl.stdin(stdin).ok().await;
        done.map_err(|error| error.to_string())
    }

    /// Creates the grant g or changes it.
    async fn grants(&self, more: &Value) -> Result<String, String> {
        self.kubectl(&["apply", "-f", "-"], grant("g", more).to_string())
            .await
    }
}

#[tokio::test]
async fn nobody_grants_more_than_it_may() {
    let bob = Bob::new().await;
    let on = |clusters: Value| json!({"clusters": clusters});
    // The API server compiles policies in the background.
    let refuse = || async {
        let granted = bob.grants(&on(json!({"names": ["managed2"]}))).await;
        granted.map_or_else(Ok, |_| Err("it was granted"))
    };
    let refused = soon("a cluster that bob may not grant on", refuse).await;
    assert!(
        refused.contains("not on all of them: managed2"),
        "{refused}"
    );
    let own = json!({"namespace": "team", "name": "own"});
    let allowed = json!({"names": ["managed1"], "placements": [own]});
    bob.grants(&on(allowed)).await.unwrap();
    // The largest number of items that are checked at once.
    let most = json!({"names": vec!["managed1"; 16], "placements": vec![own; 8]});
    bob.grants(&on(most)).await.unwrap();

    let others = json!([{"namespace": "other", "name": "own"}]);
    for (wanted, words) in [
        (
            json!({"names": ["managed1", "managed2"]}),
            "managed1, managed2",
        ),
        (
            json!({"selector": {}}),
            "a selector may come to choose any cluster",
        ),
        (
            json!({"names": vec!["managed1"; 17]}),
            "more than 16 clusters are named",
        ),
        (json!({"placements": others}), "other/own"),
    ] {
        let refused = bob.grants(&on(wanted)).await.unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
    // Only the operator may write the status of a grant.
    let patch = [
        "patch",
        "accessgrant",
        "g",
        "--subresource=status",
        "--type=merge",
        "-p",
        "{\"status\": {}}",
    ];
    let refused = bob.kubectl(&patch, String::new()).await.unwrap_err();
    assert!(refused.contains("forbidden"), "{refused}");
    nonsense_is_refused(&bob).await;
    samples_are_taken(bob.world.cluster("hub")).await;
}

async fn samples_are_taken(hub: &Cluster) {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/samples");
    let apply = hub.kubectl(&["apply", "--dry-run=server", "-f", samples]);
    let taken = apply.ok().await.unwrap();
    assert!(
        taken.contains("accessgrant") && taken.contains("gatewayconfiguration"),
        "{taken}"
    );
}

/// Each message says what to change.
async fn nonsense_is_refused(bob: &Bob) {
    let nonsense = [
        (
            json!({"subjects": [{"kind": "User", "name": "cluster:hub:system:admin"}]}),
            "cluster:hub:",
        ),
        (
            json!({"subjects": [{"kind": "Gateway", "name": "x"}]}),
            "a subject needs a name",
        ),
        (
            json!({"subjects": [{"kind": "ServiceAccount", "name": "x"}]}),
            "needs its namespace",
        ),
        (json!({"role": {}}), "say either role.clusterRole"),
        (json!({"clusters": {}}), "say which clusters"),
        (json!({"expiresAfter": "0s"}), "longer than 0s"),
    ];
    for (more, words) in nonsense {
        let refused = bob.grants(&more).await.unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
}

/// Bob writes grants, and may grant on one cluster and by one placement.
async fn granter(hub: &Cluster) {
    let group = "rbac.authorization.k8s.io";
    let rules = json!([
        {
            "apiGroups": ["gateway.open-cluster-management.io"], "resources": ["accessgrants"],
            "verbs": ["get", "create", "update", "patch"],
        },
        {
            "apiGroups": ["cluster.core.oam.dev"], "resources": ["clustergateways"],
            "resourceNames": ["managed1"], "verbs": ["grant"],
        },
    ]);
    let subjects = json!([{"apiGroup": group, "kind": "User", "name": "bob"}]);
    let own = json!([{
        "apiGroups": ["cluster.open-cluster-management.io"], "resources": ["placements"],
        "resourceNames": ["own"], "verbs": ["grant"],
    }]);
    let version = format!("{group}/v1");
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}),
        json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "bob"}, "rules": rules}),
        json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": "bob"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "bob"}, "subjects": subjects,
        }),
        json!({
            "apiVersion": version, "kind": "Role", "metadata": {"name": "bob", "namespace": "team"},
            "rules": own,
        }),
        json!({
            "apiVersion": version, "kind": "RoleBinding", "metadata": {"name": "bob", "namespace": "team"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "bob"}, "subjects": subjects,
        }),
    ];
    for object in objects {
        let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(object.to_string());
        apply.ok().await.unwrap();
    }
}
