//! Grants on real clusters: a user with a grant acts there under its own name for as long as the
//! grant lasts, and nobody can grant more than is allowed.

use std::{fs, path::PathBuf, time::Duration};

use e2e::{Cluster, GatewayOptions, World, ocm::KlusterletOptions};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::Api;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    hub::{kubectl, soon, tell},
    permission,
    stage::Stage,
};

const CLUSTER: &str = "managed1";
const FORBIDDEN: &str = "User \"system:serviceaccount:open-cluster-management-managed-serviceaccount:cluster-gateway\" \
                         cannot list resource";
const ACCESS_POLICY: &str = "spokeway-access-grants";
/// One second more than the operator waits, because timestamps have no fractions.
const SETTLING: SignedDuration = SignedDuration::from_secs(6);
const NO_GRANT: &str = "no AccessGrant names hub user";

/// A stage whose gateway lets callers act as themselves, and whose clusters keep audit logs.
pub(crate) async fn stage(clusters: &[&str]) -> Stage {
    let mut builder = World::builder().cluster("hub");
    for cluster in clusters {
        builder = builder.cluster(cluster);
    }
    let world = builder.audited().start().await.unwrap();
    let options = GatewayOptions::for_operator();
    let joins: Vec<_> = clusters
        .iter()
        .map(|cluster| (*cluster, KlusterletOptions::default()))
        .collect();
    let stage = Stage::on(world, &joins, &[], options).await;
    may_proxy(stage.hub()).await;
    stage.configure(&json!({})).await;
    for cluster in clusters {
        soon("healthz", || stage.through(cluster, "/healthz")).await;
    }
    judges_grants(stage.hub()).await;
    stage
}

/// Waits until a new hub has taken its admission policies in. Grants that are written earlier are held
/// back.
#[expect(
    clippy::disallowed_methods,
    reason = "the age of the policy is that on the clock of the hub"
)]
pub(crate) async fn judges_grants(hub: &Cluster) {
    let settled = || async {
        let policies = Api::<ValidatingAdmissionPolicy>::all(hub.client());
        let policy = policies.get(ACCESS_POLICY).await;
        let created = policy.map_err(|error| error.to_string())?.metadata;
        let created = created.creation_timestamp.ok_or("it has no age")?;
        let age = Timestamp::now().duration_since(created.0);
        if age >= SETTLING {
            Ok(())
        } else {
            Err(format!("{age} old"))
        }
    };
    soon("grants are judged", settled).await;
}

/// All members of the group may use the gateway. That alone is not a right on any cluster.
pub(crate) async fn may_proxy(hub: &Cluster) {
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "callers"},
        "rules": [{
            "apiGroups": ["cluster.core.oam.dev"], "resources": ["clustergateways/proxy"], "verbs": ["*"],
        }],
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "callers"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "callers"},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:authenticated"}],
    });
    for object in [role, binding] {
        let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(object.to_string());
        apply.ok().await.unwrap();
    }
}

/// The kubeconfig of a user of the hub, for the hub itself or, through its proxy, for a cluster.
pub(crate) fn kubeconfig(
    stage: &Stage,
    user: &str,
    groups: &[&str],
    cluster: Option<&str>,
) -> PathBuf {
    let hub = stage.hub();
    let server = cluster.map_or_else(
        || hub.url().to_owned(),
        |cluster| {
            let path = "apis/cluster.core.oam.dev/v1alpha1/clustergateways";
            format!("{}/{path}/{cluster}/proxy", hub.url())
        },
    );
    let credentials = hub.certificate_of(user, groups).unwrap();
    let file = format!("{user}-{}.kubeconfig", cluster.unwrap_or("hub"));
    hub.write_kubeconfig(&file, &server, &hub.ca_pem(), &credentials)
        .unwrap()
}

pub(crate) async fn run(
    stage: &Stage,
    kubeconfig: &std::path::Path,
    args: &[&str],
) -> Result<String, String> {
    let done = stage.hub().kubectl_with(kubeconfig, args).ok().await;
    done.map_err(|error| error.to_string())
}

pub(crate) fn grant(name: &str, more: &Value) -> Value {
    let mut grant = json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name},
        "spec": {
            "clusters": {"names": [CLUSTER]},
            "subjects": [{"kind": "User", "name": "alice"}],
            "role": {"clusterRole": "view"},
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        grant["spec"][field] = value.clone();
    }
    grant
}

#[tokio::test]
async fn a_grant_is_in_force_in_seconds_and_over_when_it_says() {
    let stage = stage(&[CLUSTER]).await;
    let alice = kubeconfig(&stage, "alice", &["staff"], Some(CLUSTER));
    let pods = ["get", "pods", "-A"];
    // No grant was ever used on the cluster: callers act as the gateway's account.
    let refused = run(&stage, &alice, &pods).await.unwrap_err();
    assert!(refused.contains(FORBIDDEN), "{refused}");

    let begin = Instant::now();
    let spec = json!({"expiresAfter": "40s"});
    stage.apply(&grant("alice-views", &spec).to_string()).await;
    soon("alice has her rights", || run(&stage, &alice, &pods)).await;
    tell(&format!("granted after {:.1?}", begin.elapsed()));
    let table = stage.kubectl(&["get", "accessgrants"]).await.unwrap();
    assert!(
        table.contains(" EXPIRES ") && !table.contains("<invalid>"),
        "{table}"
    );
    let refused = run(&stage, &alice, &["get", "secrets", "-A"])
        .await
        .unwrap_err();
    assert!(
        refused.contains("User \"hub:alice\" cannot list resource \"secrets\""),
        "{refused}"
    );
    by_its_own_name(stage.world.cluster(CLUSTER));
    let whoami = ["auth", "whoami", "-o", "json"];
    let whoami: Value = serde_json::from_str(&run(&stage, &alice, &whoami).await.unwrap()).unwrap();
    let who = &whoami["status"]["userInfo"];
    assert_eq!(who["username"], "hub:alice");
    let groups = who["groups"].as_array().unwrap();
    let group = groups[0].as_str().unwrap();
    assert!(
        groups.len() == 2 && group.starts_with("cluster:hub:grant:"),
        "{who}"
    );

    exactly_what_is_granted(stage.world.cluster(CLUSTER), group).await;

    // A running watch ends with the grant, and the next command is refused as before.
    let watch = ["get", "configmaps", "-n", "default", "-w"];
    let watch = stage.hub().kubectl_with(&alice, &watch);
    let watching = watch.timeout(Duration::from_mins(2)).spawn().unwrap();
    let output = watching.wait().await;
    tell(&format!("the watch ended after {:.1?}", begin.elapsed()));
    assert!(begin.elapsed() > Duration::from_secs(35), "{output:?}");
    let forbidden = || async { run(&stage, &alice, &pods).await.map_or_else(Ok, Err) };
    let refused = soon("alice is refused", forbidden).await;
    let ended = "AccessGrant \"alice-views\", which names you, has ended there";
    assert!(refused.contains(ended), "{refused}");
    let bob = kubeconfig(&stage, "bob", &[], Some(CLUSTER));
    let refused = run(&stage, &bob, &pods).await.unwrap_err();
    assert!(refused.contains(NO_GRANT), "{refused}");
    let gone = || async { nothing_is_left(&stage).await };
    soon("nothing of it is on the cluster", gone).await;
    tell(&format!(
        "gone from the cluster after {:.1?}",
        begin.elapsed()
    ));
    let expired = || async { ready(&stage, "alice-views", "Expired").await };
    soon("it says that it has ended", expired).await;

    permission::works_unchanged(&stage, CLUSTER).await;
    deletion_and_detachment(&stage).await;
}

/// A grant that is deleted, or whose cluster leaves, ends as well. Uninstalling ends all grants.
async fn deletion_and_detachment(stage: &Stage) {
    let team = kubeconfig(stage, "bob", &["team"], Some(CLUSTER));
    let subjects =
        json!({"subjects": [{"kind": "Group", "name": "team"}], "role": {"clusterRole": "edit"}});
    stage
        .apply(&grant("team-edits", &subjects).to_string())
        .await;
    let create = ["create", "configmap", "made-by-bob", "-n", "default"];
    soon("bob has the rights of his team", || {
        run(stage, &team, &create)
    })
    .await;
    let begin = Instant::now();
    let watch = ["get", "configmaps", "-n", "default", "-w"];
    let watch = stage.hub().kubectl_with(&team, &watch);
    let watching = watch.timeout(Duration::from_mins(2)).spawn().unwrap();
    stage
        .kubectl(&["delete", "accessgrant", "team-edits"])
        .await
        .unwrap();
    tell(&format!("deleted after {:.1?}", begin.elapsed()));
    watching.wait().await;
    nothing_is_left(stage).await.unwrap();
    tell(&format!(
        "its watch ended and its rights were gone after {:.1?}",
        begin.elapsed()
    ));
    let refused = run(stage, &team, &["get", "configmaps", "-A"])
        .await
        .unwrap_err();
    assert!(refused.contains(NO_GRANT), "{refused}");

    stage.apply(&grant("stays", &json!({})).to_string()).await;
    soon("a last grant holds", || async {
        ready(stage, "stays", "Applied").await
    })
    .await;
    let delete = ["delete", "gatewayconfiguration", "default", "--timeout=60s"];
    stage.kubectl(&delete).await.unwrap();
    soon("nothing of it is left", || async {
        nothing_is_left(stage).await
    })
    .await;
    let held = [
        "get",
        "accessgrant",
        "stays",
        "-o",
        "jsonpath={.metadata.finalizers}",
    ];
    assert_eq!(stage.kubectl(&held).await.unwrap(), "");
}

/// The cluster's audit log names the user, and the account that impersonated it.
fn by_its_own_name(spoke: &Cluster) {
    let log = fs::read_to_string(spoke.audit_log()).unwrap();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut own = lines.filter(|it| it["impersonatedUser"]["username"] == "hub:alice");
    let line = own.next().expect("alice is in the audit log");
    let account =
        "system:serviceaccount:open-cluster-management-managed-serviceaccount:cluster-gateway";
    assert_eq!(line["user"]["username"], account);
}

/// The account may impersonate alice with the group of her grant, and nobody else.
async fn exactly_what_is_granted(spoke: &Cluster, group: &str) {
    let account =
        "--as=system:serviceaccount:open-cluster-management-managed-serviceaccount:cluster-gateway";
    let own = format!("groups/{group}");
    for (what, may) in [
        ("users/hub:alice", true),
        (&own, true),
        ("users/alice", false),
        ("users/hub:bob", false),
        ("users/system:admin", false),
        ("groups/system:masters", false),
        ("groups/staff", false),
        ("serviceaccounts/default", false),
        ("uids.authentication.k8s.io/0", false),
    ] {
        let can = kubectl(spoke, &["auth", "can-i", "impersonate", what, account]).await;
        assert_eq!(can.is_ok(), may, "{what}: {can:?}");
    }
}

async fn nothing_is_left(stage: &Stage) -> Result<(), String> {
    let kinds = "clusterroles,clusterrolebindings,rolebindings";
    let get = [
        "get",
        kinds,
        "-A",
        "-o",
        "name",
        "-l",
        "app.kubernetes.io/managed-by=spokeway-operator",
    ];
    let left = kubectl(stage.world.cluster(CLUSTER), &get).await?;
    if left.is_empty() { Ok(()) } else { Err(left) }
}

pub(crate) async fn ready(stage: &Stage, name: &str, reason: &str) -> Result<(), String> {
    let get = [
        "get",
        "accessgrant",
        name,
        "-o",
        "jsonpath={.status.conditions[0].reason} {.status}",
    ];
    let said = stage.kubectl(&get).await?;
    if said.starts_with(reason) {
        Ok(())
    } else {
        Err(said)
    }
}
