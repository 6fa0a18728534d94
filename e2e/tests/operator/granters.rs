//! Who may grant: the verb `grant` on clusters and placements limits who may create or change a
//! grant. Invalid grants are refused for everybody.

use std::path::PathBuf;

use e2e::Cluster;
use serde_json::{Value, json};

use super::{grants::grant, hub::soon};

pub(super) struct Bob<'a> {
    hub: &'a Cluster,
    kubeconfig: PathBuf,
}

impl<'a> Bob<'a> {
    pub(super) async fn new(hub: &'a Cluster) -> Self {
        granter(hub).await;
        let bob = hub.certificate_of("bob", &[]).unwrap();
        let kubeconfig = hub.write_kubeconfig("bob.kubeconfig", hub.url(), &hub.ca_pem(), &bob);
        Self {
            kubeconfig: kubeconfig.unwrap(),
            hub,
        }
    }

    async fn kubectl(&self, args: &[&str], stdin: String) -> Result<String, String> {
        let kubectl = self.hub.kubectl_with(&self.kubeconfig, args);
        let done = kubectl.stdin(stdin).ok().await;
        done.map_err(|error| error.to_string())
    }

    /// Creates the grant g or changes it.
    async fn grants(&self, more: &Value) -> Result<String, String> {
        self.kubectl(&["apply", "-f", "-"], grant("g", more).to_string())
            .await
    }
}

pub(super) async fn nobody_grants_more_than_it_may(bob: &Bob<'_>) {
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
    bob.grants(&on(allowed.clone())).await.unwrap();
    // The largest number of items that are checked at once.
    let most = json!({"names": vec!["managed1"; 16], "placements": vec![own; 8]});
    bob.grants(&on(most)).await.unwrap();

    bob.grants(&on(allowed)).await.unwrap();
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
    nonsense_is_refused(bob).await;
    samples_are_taken(bob.hub).await;
}

pub(super) async fn nobody_takes_away_or_rewrites_what_it_may_not_grant(bob: &Bob<'_>) {
    let hub = bob.hub;
    let own = json!({"namespace": "team", "name": "own"});
    let others = json!({"namespace": "team", "name": "others"});
    let grants = [
        ("second", json!({"names": ["managed2"]})),
        ("both", json!({"names": ["managed1", "managed2"]})),
        ("every", json!({"selector": {}})),
        ("placed", json!({"placements": [own, others]})),
        (
            "many",
            json!({"placements": vec![own.clone(); 8], "names": ["managed1"]}),
        ),
    ];
    for (name, clusters) in &grants {
        let object = grant(name, &json!({"clusters": clusters})).to_string();
        let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(object);
        apply.ok().await.unwrap();
    }
    let delete = async |name: &str| {
        let args = ["delete", "accessgrant", name];
        bob.kubectl(&args, String::new()).await
    };
    // The API server compiles policies in the background. A dry run is judged, too.
    let dry = ["delete", "accessgrant", "second", "--dry-run=server"];
    let refuse = || async {
        let deleted = bob.kubectl(&dry, String::new()).await;
        deleted.map_or_else(Ok, |_| Err("it was deleted"))
    };
    soon("deletion is judged", refuse).await;

    for (name, words) in [
        ("second", "not on all of them: managed2"),
        ("both", "not on all of them: managed1, managed2"),
        ("every", "a selector may come to choose any cluster"),
        ("placed", "not on all of them: team/own, team/others"),
    ] {
        let refused = delete(name).await.unwrap_err();
        assert!(refused.contains(words), "{refused}");
        for rewrite in rewrites() {
            let patch = rewrite.to_string();
            let patch = ["patch", "accessgrant", name, "--type=merge", "-p", &patch];
            let refused = bob.kubectl(&patch, String::new()).await.unwrap_err();
            let is_judged = refused.contains("verb grant on");
            assert!(is_judged, "{rewrite}: {refused}");
        }
    }
    // What it may grant it may take away, and an administrator may take away everything.
    delete("many").await.unwrap();
    only_finalizers_are_the_operators(hub).await;
    for name in ["second", "both", "every", "placed"] {
        let delete = ["delete", "accessgrant", name];
        hub.kubectl(&delete).ok().await.unwrap();
    }
}

/// Changes of a grant, each of which takes something away or gives something.
fn rewrites() -> [Value; 7] {
    [
        // Takes another cluster's right away.
        json!({"spec": {"clusters": {"names": ["managed1"], "selector": null, "placements": null}}}),
        json!({"spec": {"subjects": [{"kind": "User", "name": "eve"}]}}),
        json!({"spec": {"role": {"clusterRole": "cluster-admin"}}}),
        json!({"spec": {"expiresAfter": "1s"}}),
        // The garbage collector would delete it.
        json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "1",
        }]}}),
        json!({"metadata": {"finalizers": ["example.com/for-ever"]}}),
        json!({"metadata": {"annotations": {"note": "mine"}}}),
    ]
}

/// The operator, which has no verb grant, may add and remove its finalizer, and change nothing else.
async fn only_finalizers_are_the_operators(hub: &Cluster) {
    let as_operator = format!("--as={}", e2e::operator::USER);
    let patch = async |patch: &Value| {
        let patch = patch.to_string();
        let args = [
            "patch",
            "accessgrant",
            "second",
            "--type=merge",
            "-p",
            &patch,
        ];
        let done = hub
            .kubectl(&[&args[..], &[&as_operator]].concat())
            .ok()
            .await;
        done.map_err(|error| error.to_string())
    };
    let hold = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    let own = json!(["gateway.open-cluster-management.io/revocation"]);
    patch(&hold(own)).await.unwrap();
    patch(&hold(json!(null))).await.unwrap();
    let widened = json!({"spec": {"role": {"clusterRole": "cluster-admin"}}});
    let refused = patch(&widened).await.unwrap_err();
    assert!(
        refused.contains("not on all of them: managed2"),
        "{refused}"
    );
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
async fn nonsense_is_refused(bob: &Bob<'_>) {
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
        (
            json!({"clusters": {"selector": {"matchExpressions": [{"key": "env", "operator": "exists"}]}}}),
            "Unsupported value: \"exists\"",
        ),
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
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
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
