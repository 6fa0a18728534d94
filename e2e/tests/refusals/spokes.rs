//! Good requests for broken spokes.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use e2e::{Authority, Credentials, Http1, Leaf, eventually};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Stage, answer::Answer, proxy};

/// Registers a spoke, and requests its namespaces through the hub until the gateway knows it.
async fn ask(stage: &Stage, name: &str, endpoint: &str, ca_pem: &str, who: &Credentials) -> Answer {
    stage
        .gateway
        .write_spoke(name, endpoint, ca_pem, who)
        .await
        .unwrap();
    answer_of(stage, name).await
}

async fn answer_of(stage: &Stage, name: &str) -> Answer {
    let (client, path) = (stage.hub().client(), proxy(name, "/api/v1/namespaces"));
    let known = || async {
        let answer = Answer::get(&client, &path, &[]).await;
        if answer.code == 404 {
            Err("404")
        } else {
            Ok(answer)
        }
    };
    eventually(Duration::from_secs(10), name, known)
        .await
        .unwrap()
}

fn token() -> Credentials {
    Credentials::Token("some-token".to_owned())
}

#[tokio::test]
async fn a_spoke_with_another_ca_is_502_with_the_tls_error() {
    let stage = Stage::shared().await;
    let spoke = stage.world.cluster("managed1");
    let other = Authority::new("some-other-ca").unwrap().certificate();
    let answer = ask(stage, "wrong-ca", spoke.url(), &other, &token()).await;
    let message = answer.refuses(502, "BadGateway");
    assert!(message.contains("UnknownIssuer"), "{message}");
    answer.blames("wrong-ca", "TLSHandshake");

    // An upgrade uses another connection and must get the same answer.
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("x-remote-user", "root"),
        ("x-remote-group", "system:masters"),
    ];
    let path = proxy(
        "wrong-ca",
        "/api/v1/namespaces/default/pods/p/exec?command=sh",
    );
    let answer = upgrade_of(stage, &path, &upgrade).await;
    answer.refuses(502, "BadGateway");
    answer.blames("wrong-ca", "TLSHandshake");
}

/// Over HTTP/1.1, because HTTP/2 has no upgrades.
async fn upgrade_of(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> Answer {
    let identity = Credentials::Certificate(stage.hub().front_proxy_client().clone());
    let (url, ca_pem) = (stage.gateway.url(), stage.gateway.ca_pem());
    let client = Http1::new(&url, &ca_pem, &identity).unwrap();
    Answer::read(client.get(path, headers).await.unwrap()).await
}

#[tokio::test]
async fn the_servers_own_certificate_is_trusted_as_one_of_its_authority_is() {
    let stage = Stage::shared().await;
    let spoke = stage.world.cluster("managed1");
    let own = fs::read_to_string(spoke.directory().join("apiserver.crt")).unwrap();
    let bundle = format!("the leaf of managed1\n{own}and nothing else");
    let answer = ask(stage, "pinned", spoke.url(), &bundle, &token()).await;
    // TLS went well, so the token is the next that is wrong.
    answer.blames("pinned", "Credential");
}

#[tokio::test]
async fn a_spoke_that_is_down_is_503_with_retry_after() {
    let stage = Stage::shared().await;
    let ca = stage.world.cluster("managed1").ca_pem();
    let answer = ask(stage, "down", "https://127.0.0.1:1", &ca, &token()).await;
    let message = answer.refuses(503, "ServiceUnavailable");
    assert!(
        message.contains("127.0.0.1:1") && message.contains("since"),
        "{message}"
    );
    answer.blames("down", "Dial");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.json()["details"]["retryAfterSeconds"], 1);
}

#[tokio::test]
async fn a_rejected_credential_is_502_and_never_the_spokes_401() {
    let stage = Stage::shared().await;
    let spoke = stage.world.cluster("managed1");
    let expired = spoke
        .cluster_ca()
        .issue(&Leaf::client("gateway", &["system:masters"]).expired());
    let ended = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    let long_ago = spoke
        .cluster_ca()
        .issue(&Leaf::client("gateway", &[]).not_after(ended));
    let credentials = [
        ("bad-token", token()),
        ("expired", Credentials::Certificate(expired.unwrap())),
        ("long-expired", Credentials::Certificate(long_ago.unwrap())),
    ];
    for (name, credentials) in credentials {
        let answer = ask(stage, name, spoke.url(), &spoke.ca_pem(), &credentials).await;
        let message = answer.refuses(502, "BadGateway");
        assert!(
            message.contains("rejects the gateway's credential"),
            "{message}"
        );
        answer.blames(name, "Credential");
        assert!(!answer.text.contains("some-token"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_spoke_that_never_answers_is_504_after_the_deadline() {
    let stage = Stage::shared().await;
    let apiserver = stage.world.cluster("frozen").apiserver();
    let (client, path) = (stage.hub().client(), proxy("frozen", "/healthz"));
    assert_eq!(Answer::get(&client, &path, &[]).await.text, "ok");

    apiserver.pause();
    let begin = Instant::now();
    let warm = Answer::get(&client, &path, &[]).await;
    let took = begin.elapsed();
    let cold = stage.world.cluster("frozen");
    let cold = ask(stage, "frozen-too", cold.url(), &cold.ca_pem(), &token()).await;
    apiserver.resume();

    let message = warm.refuses(504, "Timeout");
    assert!(
        message.contains("did not begin to answer within 2 s"),
        "{message}"
    );
    warm.blames("frozen", "Response");
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(8),
        "{took:?}"
    );
    cold.refuses(504, "Timeout");

    let again = || async {
        let answer = Answer::get(&client, &path, &[]).await;
        if answer.code == 200 {
            Ok(())
        } else {
            Err(answer.text)
        }
    };
    eventually(
        Duration::from_secs(20),
        "the spoke once it runs again",
        again,
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_broken_secret_is_named_with_its_key_and_disturbs_nobody() {
    let stage = Stage::shared().await;
    let spoke = stage.world.cluster("managed1");
    let answer = ask(
        stage,
        "no-token",
        spoke.url(),
        &spoke.ca_pem(),
        &Credentials::Anonymous,
    )
    .await;
    let message = answer.refuses(502, "BadGateway");
    assert!(
        message.contains("/no-token is unusable: key token"),
        "{message}"
    );
    answer.blames("no-token", "Credential");
    let listed = stage
        .hub()
        .kubectl(&["get", "clustergateway", "no-token"])
        .ok()
        .await
        .unwrap();
    assert!(listed.contains("false"), "{listed}");

    let no_ca = json!({"ca.crt": null, "token": "c29tZS10b2tlbg=="});
    patch(stage, "no-token", &json!({"data": no_ca})).await;
    let message = eventually_says(stage, "no-token", "no ca.crt").await;
    assert!(message.contains("insecure-skip-tls-verify"), "{message}");
    assert_eq!(answer_of(stage, "managed1").await.code, 200);
}

#[tokio::test]
async fn a_tunnelled_spoke_without_a_tunnel_is_503() {
    let stage = Stage::shared().await;
    let ca = stage.world.cluster("managed1").ca_pem();
    ask(stage, "tunnelled", "https://127.0.0.1:1", &ca, &token()).await;
    let labels = json!({"cluster.core.oam.dev/cluster-endpoint-type": "ClusterProxy"});
    patch(stage, "tunnelled", &json!({"metadata": {"labels": labels}})).await;
    eventually_says(stage, "tunnelled", "no agent").await;
    let answer = answer_of(stage, "tunnelled").await;
    answer.refuses(503, "ServiceUnavailable");
    answer.blames("tunnelled", "Tunnel");
}

#[tokio::test]
async fn kubectl_prints_each_refusal_as_one_line() {
    let stage = Stage::shared().await;
    let spoke = stage.world.cluster("managed1");
    let other = Authority::new("some-other-ca").unwrap().certificate();
    ask(stage, "line-tls", spoke.url(), &other, &token()).await;
    ask(stage, "line-401", spoke.url(), &spoke.ca_pem(), &token()).await;
    for (name, wanted) in [
        (
            "line-tls",
            "Error from server (BadGateway): managed cluster \"line-tls\": TLS handshake",
        ),
        (
            "line-401",
            "Error from server (BadGateway): managed cluster \"line-401\": it rejects",
        ),
        (
            "nobody",
            "Error from server (NotFound): clustergateways.cluster.core.oam.dev \"nobody\" not found",
        ),
    ] {
        let server = format!("{}{}", stage.hub().url(), proxy(name, ""));
        let hub = stage.hub();
        let file = format!("{name}.kubeconfig");
        let config = hub
            .write_kubeconfig(&file, &server, &hub.ca_pem(), hub.admin())
            .unwrap();
        let get = ["get", "--raw", "/api/v1/namespaces"];
        let output = hub.kubectl_with(&config, &get).run().await.unwrap();
        assert!(!output.status.success());
        let said = output.stderr.trim();
        assert!(
            said.starts_with(wanted) && said.lines().count() == 1,
            "{said}"
        );
        // Before anything else kubectl asks which APIs there are, if it does not know them.
        let (_, sentence) = wanted.split_once(": ").unwrap();
        let cache = format!("--cache-dir={}/{name}.cache", hub.directory().display());
        let get = ["get", "pods", &cache];
        let output = hub.kubectl_with(&config, &get).run().await.unwrap();
        let last = output.stderr.trim().lines().last().unwrap_or_default();
        let said = last.replace('\\', "");
        assert!(said.contains(sentence), "{}", output.stderr);
    }
}

async fn patch(stage: &Stage, name: &str, change: &Value) {
    let (secrets, parameters) = (stage.gateway.secrets(), PatchParams::default());
    secrets
        .patch(name, &parameters, &Patch::Merge(change))
        .await
        .unwrap();
}

async fn eventually_says(stage: &Stage, name: &str, wanted: &str) -> String {
    let said = || async {
        let text = answer_of(stage, name).await.text;
        if text.contains(wanted) {
            Ok(text)
        } else {
            Err(text)
        }
    };
    eventually(Duration::from_secs(10), wanted, said)
        .await
        .unwrap()
}
