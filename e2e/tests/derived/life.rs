//! How derived clusters come and go.

use crds::cluster::ManagedCluster;
use e2e::{Agent, AgentOptions, Credentials, SpokeOptions, eventually};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::stage::{ACCOUNT, SOON, Stage, proxy};

#[tokio::test]
async fn a_missing_token_is_said_with_where_it_has_to_be() {
    let stage = Stage::shared().await;
    stage.register("tokenless", &[stage.spoke().url()]).await;
    let said = stage.answers("tokenless", 502, "there is no token").await;
    for words in [
        "Secret tokenless/cluster-gateway",
        "create that ManagedServiceAccount",
        "agent that issues tokens",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let shown = stage.shows("tokenless", &["false"]).await;
    assert!(shown.contains("ManagedServiceAccount"), "{shown}");

    stage.project("tokenless", "late").await;
    stage.answers("tokenless", 200, "default").await;
    let broken = json!({"data": {"ca.crt": null}});
    let patch = Patch::Merge(&broken);
    let tokens = stage.tokens("tokenless");
    let patched = tokens.patch(ACCOUNT, &PatchParams::default(), &patch).await;
    patched.unwrap();
    stage.answers("tokenless", 502, "key ca.crt").await;
}

/// Waits until `virtualclusters` shows a cluster like that.
async fn listed(stage: &Stage, name: &str, wanted: &str) {
    let fields = "jsonpath={.spec.accepted} {.spec.credential-type} {.spec.endpoint}";
    let get = ["get", "vc", name, "-o", fields];
    eventually(SOON, wanted, || async {
        let seen = stage.hub().kubectl(&get).run().await.unwrap();
        if seen.stdout == wanted {
            Ok(())
        } else {
            Err(seen.to_string())
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_denied_or_deleted_cluster_is_unknown_and_its_connections_end() {
    let stage = Stage::shared().await;
    stage.register("leaving", &[stage.spoke().url()]).await;
    stage.project("leaving", "leaving").await;
    stage.answers("leaving", 200, "default").await;
    listed(stage, "leaving", "true ServiceAccountToken ClusterProxy").await;
    let path = proxy(
        "leaving",
        "/api/v1/namespaces/default/configmaps?watch=true",
    );
    let watching = stage.hub().kubectl(&["get", "--raw", &path]);
    let watching = watching.timeout(SOON * 4).spawn().unwrap();

    let denied = json!({"spec": {"hubAcceptsClient": false}});
    patch(stage, "leaving", &denied).await;
    stage
        .answers("leaving", 404, "hubAcceptsClient is false")
        .await;
    let ended = tokio::time::timeout(SOON, watching.wait()).await;
    ended.expect("the watch ends with its cluster");
    listed(stage, "leaving", "false ManagedCluster -").await;

    let accepted = json!({"spec": {"hubAcceptsClient": true}});
    patch(stage, "leaving", &accepted).await;
    stage.answers("leaving", 200, "default").await;
    let (clusters, parameters) = (stage.clusters(), DeleteParams::default());
    clusters.delete("leaving", &parameters).await.unwrap();
    stage.answers("leaving", 404, "not found").await;
}

#[tokio::test]
async fn a_tunnel_ends_when_its_cluster_is_another_one_of_the_same_name() {
    let stage = Stage::shared().await;
    stage.register("namesake", &[]).await;
    stage.project("namesake", "namesake").await;
    let options = AgentOptions {
        identity: Some("namesake".to_owned()),
        cluster: Some("namesake".to_owned()),
        ..AgentOptions::default()
    };
    let attached = Agent::attached(stage.hub(), stage.spoke(), options).await;
    let _agent = attached.unwrap();
    stage.answers("namesake", 200, "default").await;
    let (clusters, parameters) = (stage.clusters(), DeleteParams::default());
    clusters.delete("namesake", &parameters).await.unwrap();
    // Another cluster is registered before anybody has looked.
    stage.register("namesake", &[]).await;
    let log = stage.gateway.process().log();
    let cut = || async {
        let said = std::fs::read_to_string(log).unwrap();
        let mut own = said.lines().filter(|it| it.contains("namesake"));
        // Whichever is seen first.
        let reasons = ["another managed cluster now", "the managed cluster is gone"];
        let is_cut = own.any(|it| reasons.iter().any(|reason| it.contains(reason)));
        is_cut.then_some(()).ok_or("no tunnel was cut")
    };
    eventually(SOON, "the tunnel ends", cut).await.unwrap();
}

#[tokio::test]
async fn a_manual_secret_wins_and_leaves_the_derived_cluster_behind() {
    let stage = Stage::shared().await;
    stage.register("both", &[stage.spoke().url()]).await;
    stage.project("both", "derived").await;
    stage.answers("both", 200, "default").await;
    is(stage, "both", ":derived").await;
    let spoke = stage.spoke();
    let manual = spoke
        .service_account_token("manual", "by-hand", SOON * 60)
        .await;
    let options = SpokeOptions {
        name: Some("both".to_owned()),
        credentials: Some(Credentials::Token(manual.unwrap())),
        ..SpokeOptions::default()
    };
    stage.gateway.register_spoke(spoke, options).await.unwrap();
    is(stage, "both", ":by-hand").await;
    stage.gateway.unregister_spoke("both").await.unwrap();
    is(stage, "both", ":derived").await;
}

/// Waits until the gateway uses this account on the spoke.
async fn is(stage: &Stage, name: &str, account: &str) {
    let is = || async {
        let user = stage.account(name).await;
        if user.ends_with(account) {
            Ok(())
        } else {
            Err(user)
        }
    };
    eventually(SOON, account, is).await.unwrap();
}

async fn patch(stage: &Stage, name: &str, change: &serde_json::Value) {
    let parameters = PatchParams::default();
    let patched: kube::Result<ManagedCluster> = stage
        .clusters()
        .patch(name, &parameters, &Patch::Merge(change))
        .await;
    patched.unwrap();
}
