//! What the hub's API server refuses to whoever has taken over an agent or the operator, and clusters
//! whose name is that of a namespace of somebody else.

use e2e::{Cluster, Gateway, GatewayOptions, Operator, World, ocm::Ocm, operator};
use serde_json::{Value, json};

use super::hub::{kubectl, read, soon};

const AGENT: &str =
    "system:open-cluster-management:cluster:managed1:addon:cluster-gateway:agent:spokeway-agent";
const AGENTS: &str = "system:open-cluster-management:addon:cluster-gateway";
const TOKENS: &str = "spokeway-agent-tokens";
const RBAC: &str = "rbac.authorization.k8s.io";
const LABEL: &str = "authentication.open-cluster-management.io/is-managed-serviceaccount";

/// Somebody on a hub.
struct Somebody<'a> {
    hub: &'a Cluster,
    flags: Vec<String>,
}

impl Somebody<'_> {
    async fn kubectl(&self, args: &[&str], stdin: &Value) -> Result<String, String> {
        let flags = self.flags.iter().map(String::as_str);
        let args: Vec<_> = args.iter().copied().chain(flags).collect();
        let done = self.hub.kubectl(&args).stdin(stdin.to_string()).ok().await;
        done.map_err(|error| error.to_string())
    }

    async fn creates(&self, object: &Value) -> Result<String, String> {
        self.kubectl(&["create", "-f", "-"], object).await
    }

    async fn refused(&self, args: &[&str], words: &str) {
        let refused = self.kubectl(args, &json!(null)).await.unwrap_err();
        assert!(refused.contains(words), "{args:?}: {refused}");
    }
}

pub(super) async fn an_agent_writes_no_secret_but_the_token_secrets_of_its_cluster(hub: &Cluster) {
    namespace(hub, "managed1").await;
    let subject = json!({"apiGroup": RBAC, "kind": "User", "name": AGENT});
    apply(hub, &binding("managed1", TOKENS, &subject)).await;
    for (name, labels) in [("others", json!({})), ("token", json!({LABEL: "true"}))] {
        apply(hub, &secret(name, &labels)).await;
    }
    let agent = Somebody {
        hub,
        flags: vec![format!("--as={AGENT}"), format!("--as-group={AGENTS}")],
    };
    // The API server compiles policies in the background.
    let mut minted = secret("minted", &json!({LABEL: "true"}));
    minted["type"] = "kubernetes.io/service-account-token".into();
    minted["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "default"});
    let mint = || async {
        let done = agent.creates(&minted).await;
        let _ = kubectl(hub, &["delete", "secret", "minted", "-n", "managed1"]).await;
        done.map_or_else(Ok, |_| Err("a token of another account was minted"))
    };
    let refused = soon("minting is refused", mint).await;
    assert!(
        refused.contains("only write Secrets of type Opaque"),
        "{refused}"
    );

    let not_its_own = "only write the token Secrets of ManagedServiceAccounts";
    let unlabelled = agent.creates(&secret("new", &json!({}))).await.unwrap_err();
    assert!(unlabelled.contains(not_its_own), "{unlabelled}");
    // A patch answers with the whole object, so a patch that changes nothing would read it.
    let others = ["others", "-n", "managed1"];
    let patch = |patch| {
        [
            &["patch", "secret"],
            &others[..],
            &["--type=merge", "-p", patch],
        ]
        .concat()
    };
    agent.refused(&patch("{}"), not_its_own).await;
    let labelled = json!({"metadata": {"labels": {LABEL: "true"}}}).to_string();
    agent.refused(&patch(&labelled), not_its_own).await;
    let delete = [&["delete", "secret"], &others[..]].concat();
    agent.refused(&delete, not_its_own).await;

    agent
        .creates(&secret("mine", &json!({LABEL: "true"})))
        .await
        .unwrap();
    for name in ["mine", "token"] {
        let of = [name, "-n", "managed1"];
        let data = "{\"stringData\": {\"token\": \"renewed\"}}";
        let patch = [&["patch", "secret"], &of[..], &["-p", data]].concat();
        agent.kubectl(&patch, &json!(null)).await.unwrap();
        let delete = [&["delete", "secret"], &of[..]].concat();
        agent.kubectl(&delete, &json!(null)).await.unwrap();
    }
    // Nobody else is affected.
    kubectl(hub, &delete).await.unwrap();
}

pub(super) async fn an_operator_that_was_taken_over_binds_nothing_but_its_own_and_changes_no_role(
    hub: &Cluster,
) {
    for name in ["managed1", "open-cluster-management-credentials"] {
        namespace(hub, name).await;
    }
    let thief = Somebody {
        hub,
        flags: vec![format!("--as={}", operator::USER)],
    };
    let itself = json!({
        "kind": "ServiceAccount", "name": "spokeway-operator", "namespace": "spokeway-system",
    });
    let user = |name: &str| json!({"apiGroup": RBAC, "kind": "User", "name": name});
    let everywhere = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
        "metadata": {"name": "theft", "labels": {"app.kubernetes.io/managed-by": "spokeway-operator"}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "spokeway-gateway-credentials"},
        "subjects": [itself],
    });
    let refuse = || async {
        let done = thief.creates(&everywhere).await;
        let _ = kubectl(hub, &["delete", "clusterrolebinding", "theft"]).await;
        done.map_or_else(Ok, |_| Err("every Secret of the hub was bound"))
    };
    soon("bindings are judged", refuse).await;
    let words = "the operator may bind the roles of the gateway to the gateway only";
    for theft in [
        binding("kube-system", TOKENS, &user(AGENT)),
        binding("kube-system", TOKENS, &itself),
        binding("spokeway-system", TOKENS, &user(AGENT)),
        binding("managed1", TOKENS, &itself),
        binding(
            "managed1",
            TOKENS,
            &user(&AGENT.replace("managed1", "managed2")),
        ),
        binding("managed1", "spokeway-gateway-credentials", &itself),
        binding(
            "open-cluster-management-credentials",
            "spokeway-gateway-credentials",
            &itself,
        ),
    ] {
        let refused = thief.creates(&theft).await.unwrap_err();
        assert!(refused.contains(words), "{theft}: {refused}");
    }
    thief
        .creates(&binding("managed1", TOKENS, &user(AGENT)))
        .await
        .unwrap();

    changes_no_role(&thief).await;
}

async fn changes_no_role(thief: &Somebody<'_>) {
    let admin = [
        "create",
        "clusterrolebinding",
        "mine",
        "--clusterrole=cluster-admin",
    ];
    thief.refused(&admin, "not currently held").await;
    let mut role = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
        "metadata": {"name": TOKENS},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    });
    let replace = thief
        .kubectl(&["replace", "-f", "-"], &role)
        .await
        .unwrap_err();
    assert!(replace.contains("cannot update resource"), "{replace}");
    role["metadata"]["name"] = "new".into();
    let created = thief.creates(&role).await.unwrap_err();
    assert!(created.contains("cannot create resource"), "{created}");
    let delete = ["delete", "clusterrolebinding", "system:basic-user"];
    thief.refused(&delete, "only write its own bindings").await;
}

pub(super) async fn a_server_of_somebody_elses_takes_a_verb_more_than_the_configuration_does(
    hub: &Cluster,
) {
    apply(hub, &configurations("author", &["get", "create", "patch"])).await;
    apply(hub, &configurations("outsourcer", &["external"])).await;
    apply(hub, &bound_to_author("author")).await;
    let author = Somebody {
        hub,
        flags: vec!["--as=author".to_owned()],
    };
    let external = json!({"deployment": "External", "external": {"caBundle": "Y2E="}});
    let configuration = |server: &Value| {
        json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1",
            "kind": "GatewayConfiguration",
            "metadata": {"name": "default"}, "spec": {"server": server},
        })
    };
    let refuse = || async {
        let done = author.creates(&configuration(&external)).await;
        let _ = kubectl(hub, &["delete", "gatewayconfiguration", "default"]).await;
        done.map_or_else(Ok, |_| {
            Err("callers were sent to a server of somebody else")
        })
    };
    let refused = soon("the server is judged", refuse).await;
    assert!(refused.contains("you need the verb external"), "{refused}");
    author.creates(&configuration(&json!({}))).await.unwrap();
    let patch = json!({"spec": {"server": external}}).to_string();
    let outsource = [
        "patch",
        "gatewayconfiguration",
        "default",
        "--type=merge",
        "-p",
        &patch,
    ];
    author
        .refused(&outsource, "you need the verb external")
        .await;

    apply(hub, &bound_to_author("outsourcer")).await;
    soon("the verb counts", || {
        author.kubectl(&outsource, &json!(null))
    })
    .await;
}

/// A `ClusterRole` with verbs for the configuration.
fn configurations(name: &str, verbs: &[&str]) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{
            "apiGroups": ["gateway.open-cluster-management.io"],
            "resources": ["gatewayconfigurations"], "verbs": verbs,
        }],
    })
}

/// The binding of a role to the user "author".
fn bound_to_author(role: &str) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "author"}],
    })
}

#[tokio::test]
async fn a_cluster_with_the_name_of_somebody_elses_namespace_is_not_enrolled() {
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    let _ocm = Ocm::start(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let gateway = Gateway::start(hub, GatewayOptions::for_operator()).await;
    let gateway = gateway.unwrap();
    let _operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    kubectl(hub, &["create", "namespace", "payments"])
        .await
        .unwrap();
    let names = [
        "kube-system",
        "open-cluster-management-credentials",
        "payments",
        "managed1",
    ];
    for name in names {
        apply(
            hub,
            &json!({
                "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
                "metadata": {"name": name}, "spec": {"hubAcceptsClient": true},
            }),
        )
        .await;
    }
    let configuration = Operator::configuration(&gateway, &json!({}));
    apply(hub, &serde_json::from_str(&configuration).unwrap()).await;

    let bound = |namespace| ["rolebinding", TOKENS, "-n", namespace];
    let enrolled = bound("managed1");
    soon("a cluster is enrolled", || read(hub, &enrolled)).await;
    for (name, reason) in [
        ("kube-system", "NameReserved"),
        ("open-cluster-management-credentials", "NameReserved"),
        ("payments", "NamespaceForeign"),
    ] {
        let said = || async {
            let status = read(hub, &["gatewayconfiguration", "default"]).await?["status"].clone();
            let troubled = status["troubled"].as_array().cloned().unwrap_or_default();
            let mut own = troubled.iter().filter(|it| it["name"] == name);
            own.find(|it| it["reason"] == reason)
                .map(|_| ())
                .ok_or_else(|| status.to_string())
        };
        soon("the refusal is said", said).await;
        read(hub, &bound(name)).await.unwrap_err();
        let rows = ["get", "managedclusteraddons", "-n", name, "-o", "name"];
        assert_eq!(kubectl(hub, &rows).await.unwrap(), "", "{name}");
    }
    let label = "gateway.open-cluster-management.io/cluster=payments";
    kubectl(hub, &["label", "namespace", "payments", label])
        .await
        .unwrap();
    let adopted = bound("payments");
    soon("the namespace is the cluster's", || read(hub, &adopted)).await;
}

async fn apply(hub: &Cluster, object: &Value) {
    let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(object.to_string());
    apply.ok().await.unwrap();
}

/// A namespace as Open Cluster Management makes it.
async fn namespace(hub: &Cluster, name: &str) {
    let labels = json!({"open-cluster-management.io/cluster-name": name});
    let metadata = json!({"name": name, "labels": labels});
    apply(
        hub,
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
    )
    .await;
}

fn secret(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": "managed1", "labels": labels},
        "stringData": {"token": "secret"},
    })
}

fn binding(namespace: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding",
        "metadata": {
            "name": role, "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "spokeway-operator"},
        },
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    })
}
