//! The agent's own files change while it runs: its credentials for the managed cluster, and for the
//! hub.

use std::{fs, path::Path};

use crds::authentication::CA_KEY;
use e2e::{AgentOptions, Authority, Cluster, Credentials, enrolled, eventually};
use serde_json::json;

use super::stage::{CLUSTER, SOON, Stage, write_spoke_kubeconfig};

const KUBECONFIG: &str = r#"{
"apiVersion": "v1", "kind": "Config", "current-context": "hub",
"contexts": [{"name": "hub", "context": {"cluster": "hub", "user": "agent"}}],
"clusters": [{"name": "hub", "cluster": {"server": "URL", "certificate-authority": "ca.crt"}}],
"users": [{"name": "agent", "user": {"client-certificate": "tls.crt", "client-key": "tls.key"}}]
}"#;

#[tokio::test]
async fn a_new_authority_of_the_managed_cluster_is_in_every_secret_soon_and_tokens_stay() {
    let stage = Stage::start(&[]).await;
    for name in ["a", "b"] {
        stage.create(name, "1h").await;
        stage.usable_token(name, None).await;
        stage.says(name, "True TokenReported").await;
    }
    let tokens = [stage.token("a").await, stage.token("b").await];
    // As during the rotation of a CA: the old one and the next one.
    let next = Authority::new("the next authority").unwrap();
    let bundle = format!("{}{}", stage.spoke().ca_pem(), next.certificate());
    write_spoke_kubeconfig(stage.spoke(), stage.spoke().url(), &bundle).await;
    for name in ["a", "b"] {
        let projected = || async {
            let data = stage.secrets().get(name).await.unwrap().data.unwrap();
            let is_new = data[CA_KEY].0 == bundle.as_bytes();
            if is_new {
                Ok(())
            } else {
                Err("the old authority")
            }
        };
        let projected = eventually(SOON, "the new authority", projected).await;
        projected.unwrap();
    }
    assert_eq!([stage.token("a").await, stage.token("b").await], tokens);
}

#[tokio::test]
async fn a_hub_certificate_renewed_in_place_is_used_without_a_restart() {
    let deliver = |hub: &Cluster| {
        let directory = hub.directory().join("delivered");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("ca.crt"), hub.ca_pem()).unwrap();
        let kubeconfig = directory.join("kubeconfig");
        fs::write(&kubeconfig, KUBECONFIG.replace("URL", hub.url())).unwrap();
        renew(hub, &directory, "first");
        AgentOptions {
            hub_kubeconfig: Some(kubeconfig),
            ..AgentOptions::default()
        }
    };
    let stage = Stage::with_options(deliver).await;
    allow(stage.hub(), "first").await;
    stage.create("before", "1h").await;
    stage.usable_token("before", None).await;
    let pid = stage.agent.process().pid();

    // The old certificate is invalid from now on.
    allow(stage.hub(), "second").await;
    renew(
        stage.hub(),
        &stage.hub().directory().join("delivered"),
        "second",
    );
    stage.create("after", "1h").await;
    stage.usable_token("after", None).await;
    stage.says("after", "True TokenReported").await;
    assert_eq!(stage.agent.process().pid(), pid);
}

/// Replaces the agent's certificate, one file after the other, as registration does.
fn renew(hub: &Cluster, directory: &Path, agent: &str) {
    let Credentials::Certificate(identity) = hub.certificate_of(&user(agent), &[]).unwrap() else {
        unreachable!("a certificate was asked for");
    };
    fs::write(directory.join("tls.key"), identity.key).unwrap();
    fs::write(directory.join("tls.crt"), identity.certificate).unwrap();
}

/// Lets only this agent manage the cluster's accounts.
async fn allow(hub: &Cluster, agent: &str) {
    let rbac = "rbac.authorization.k8s.io";
    let subject = json!({"apiGroup": rbac, "kind": "User", "name": user(agent)});
    enrolled::allow(hub, CLUSTER, &subject).await.unwrap();
}

fn user(agent: &str) -> String {
    format!("system:open-cluster-management:cluster:{CLUSTER}:addon:cluster-proxy:agent:{agent}")
}
