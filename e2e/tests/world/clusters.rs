//! Two running clusters, and every kind of access to them.

use std::time::Duration;

use e2e::{Credentials, World, eventually};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};

const SOON: Duration = Duration::from_secs(10);

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(serde_json::json!({"metadata": {"name": name}})).unwrap()
}

fn namespace(name: &str) -> Namespace {
    serde_json::from_value(serde_json::json!({"metadata": {"name": name}})).unwrap()
}

#[tokio::test]
async fn clusters_on_one_etcd_keep_apart() {
    let world = World::shared().await;
    let maps = |cluster| Api::<ConfigMap>::namespaced(world.cluster(cluster).client(), "default");
    maps("hub")
        .create(&PostParams::default(), &config_map("apart"))
        .await
        .unwrap();
    assert!(maps("hub").get_opt("apart").await.unwrap().is_some());
    assert!(maps("managed1").get_opt("apart").await.unwrap().is_none());
}

#[tokio::test]
async fn kubectl_speaks_for_the_admin_and_reports_both_streams() {
    let world = World::shared().await;
    let hub = world.cluster("hub");
    let names = hub
        .kubectl(&["get", "namespaces", "-o", "name"])
        .ok()
        .await
        .unwrap();
    assert!(names.contains("namespace/kube-system\n"), "{names}");
    let version = hub.kubectl(&["version"]).ok().await.unwrap();
    assert!(version.contains("Server Version: v1.36"), "{version}");
    let applied = hub
        .kubectl(&["apply", "-f", "-"])
        .stdin(r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fed"}}"#);
    assert_eq!(applied.ok().await.unwrap(), "configmap/fed created\n");
    let error = hub
        .kubectl(&["get", "configmap", "absent"])
        .ok()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("\"absent\" not found"),
        "{error}"
    );
}

#[tokio::test]
async fn a_watching_kubectl_is_read_line_by_line() {
    let world = World::shared().await;
    let hub = world.cluster("hub");
    let mut watch = hub
        .kubectl(&["get", "configmaps", "-w", "-o", "name"])
        .spawn()
        .unwrap();
    watch.line(SOON).await.unwrap().unwrap();
    let maps = Api::<ConfigMap>::namespaced(hub.client(), "default");
    maps.create(&PostParams::default(), &config_map("watched"))
        .await
        .unwrap();
    let line = watch.line_with("watched", SOON).await.unwrap();
    assert_eq!(line.as_deref(), Some("configmap/watched"));
    watch.kill().await;
}

#[tokio::test]
async fn a_kubectl_that_takes_too_long_is_killed() {
    let world = World::shared().await;
    let watch = world.cluster("hub").kubectl(&["get", "namespaces", "-w"]);
    let error = watch
        .timeout(Duration::from_secs(2))
        .run()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nothing within 2s") && error.contains("kube-system"),
        "{error}"
    );
}

#[tokio::test]
async fn certificates_carry_user_and_groups() {
    let world = World::shared().await;
    let hub = world.cluster("hub");
    let alice = hub.certificate_of("alice", &["dev", "ops"]).unwrap();
    let file = hub
        .write_kubeconfig("alice", hub.url(), &hub.ca_pem(), &alice)
        .unwrap();
    let who = hub
        .kubectl_with(&file, &["auth", "whoami", "-o", "json"])
        .ok()
        .await
        .unwrap();
    let who: serde_json::Value = serde_json::from_str(&who).unwrap();
    assert_eq!(who["status"]["userInfo"]["username"], "alice");
    let groups = &who["status"]["userInfo"]["groups"];
    assert_eq!(
        groups,
        &serde_json::json!(["dev", "ops", "system:authenticated"])
    );
    let namespaces = Api::<Namespace>::all(hub.client_as("alice", &[]).unwrap());
    let Err(kube::Error::Api(status)) = namespaces.get("default").await else {
        panic!()
    };
    assert_eq!(status.code, 403);
}

#[tokio::test]
async fn a_token_is_good_at_its_own_cluster_only() {
    let world = World::shared().await;
    let spoke = world.cluster("managed1");
    let ttl = Duration::from_mins(10);
    let token = spoke
        .service_account_token("tokens", "caller", ttl)
        .await
        .unwrap();
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: Some(token.clone()),
            audiences: None,
        },
        ..TokenReview::default()
    };
    let reviews = Api::<TokenReview>::all(spoke.client());
    let status = reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap()
        .status
        .unwrap();
    let user = status.user.unwrap().username.unwrap();
    assert_eq!(user, "system:serviceaccount:tokens:caller");
    let elsewhere = world.cluster("hub").client_with(&Credentials::Token(token));
    let refused = Api::<Namespace>::all(elsewhere).get("default").await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 401));
}

#[tokio::test]
async fn controllers_finish_namespaces_and_fill_new_ones() {
    let world = World::shared().await;
    let namespaces = Api::<Namespace>::all(world.cluster("hub").client());
    namespaces
        .create(&PostParams::default(), &namespace("passing"))
        .await
        .unwrap();
    let maps = Api::<ConfigMap>::namespaced(world.cluster("hub").client(), "passing");
    eventually(SOON, "the root CA in the new namespace", || async {
        maps.get("kube-root-ca.crt").await
    })
    .await
    .unwrap();
    namespaces
        .delete("passing", &DeleteParams::default())
        .await
        .unwrap();
    eventually(SOON, "the namespace to be gone", || async {
        match namespaces.get_opt("passing").await {
            Ok(None) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_restarted_apiserver_keeps_its_port_and_its_data() {
    let world = World::builder().cluster("solo").start().await.unwrap();
    let solo = world.cluster("solo");
    let maps = Api::<ConfigMap>::namespaced(solo.client(), "default");
    maps.create(&PostParams::default(), &config_map("kept"))
        .await
        .unwrap();
    let (pid, url) = (solo.apiserver().pid(), solo.url().to_owned());
    solo.stop_apiserver();
    assert_eq!(solo.apiserver().pid(), None);
    assert!(maps.get("kept").await.is_err());
    solo.start_apiserver().await.unwrap();
    assert_ne!(solo.apiserver().pid(), pid);
    assert_eq!(solo.url(), url);
    maps.get("kept").await.unwrap();
}
