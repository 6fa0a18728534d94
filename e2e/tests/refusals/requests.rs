//! Requests that are refused because of their content or their sender.

use std::time::Duration;

use e2e::{Authority, Credentials};
use tokio::time::Instant;

use super::{GATEWAYS, Stage, answer::Answer, proxy};

const ALICE: (&str, &str) = ("x-remote-user", "alice");
const MASTERS: (&str, &str) = ("x-remote-group", "system:masters");

#[tokio::test]
async fn an_unknown_cluster_is_404() {
    let stage = Stage::shared().await;
    let answer = Answer::get(&stage.hub().client(), &proxy("nobody", "/healthz"), &[]).await;
    let message = answer.refuses(404, "NotFound");
    assert!(message.contains("\"nobody\" not found"), "{message}");
    assert_eq!(answer.json()["details"]["name"], "nobody");
    let answer = Answer::get(&stage.hub().client(), &format!("{GATEWAYS}/nobody"), &[]).await;
    answer.refuses(404, "NotFound");
}

#[tokio::test]
async fn a_caller_without_rights_gets_403_of_the_hub_and_of_the_gateway() {
    let stage = Stage::shared().await;
    let mallory = stage.hub().client_as("mallory", &[]).unwrap();
    let path = proxy("managed1", "/api/v1/secrets");
    let message = Answer::get(&mallory, &path, &[])
        .await
        .refuses(403, "Forbidden");
    assert!(
        message.contains("mallory") && message.contains("clustergateways/proxy"),
        "{message}"
    );

    // Behind the hub's own check, the gateway asks the hub again.
    let answer = Answer::get(&stage.as_hub(), &path, &[ALICE]).await;
    let message = answer.refuses(403, "Forbidden");
    assert!(
        message.contains("alice") && message.contains("clustergateways/proxy"),
        "{message}"
    );
    assert_eq!(answer.json()["details"]["name"], "managed1");
    for path in [GATEWAYS, "/metrics"] {
        Answer::get(&stage.as_hub(), path, &[ALICE])
            .await
            .refuses(403, "Forbidden");
    }
}

#[tokio::test]
async fn forged_identity_headers_without_the_front_proxys_certificate_are_401() {
    let stage = Stage::shared().await;
    let path = proxy("managed1", "/api/v1/secrets");
    let forged = [ALICE, MASTERS];
    let hub = stage.hub();
    let of = |authority: &Authority, name| {
        Credentials::Certificate(authority.issue_client(name, &["system:masters"]).unwrap())
    };
    let strangers = [
        (Credentials::Anonymous, "presented no client certificate"),
        (
            Credentials::Token("forged".to_owned()),
            "presented no client certificate",
        ),
        (
            of(
                &Authority::new("front-proxy-ca").unwrap(),
                "front-proxy-client",
            ),
            "not issued by the front proxy's CA",
        ),
        (
            of(hub.cluster_ca(), "front-proxy-client"),
            "not issued by the front proxy's CA",
        ),
        (
            of(hub.front_proxy_ca(), "somebody-else"),
            "not allowed to vouch",
        ),
    ];
    for (credentials, wanted) in strangers {
        let client = stage.gateway.client_with(&credentials);
        let message = Answer::get(&client, &path, &forged)
            .await
            .refuses(401, "Unauthorized");
        assert!(message.contains(wanted), "{message}");
    }
    let nameless = Answer::get(&stage.as_hub(), &path, &[MASTERS]).await;
    let message = nameless.refuses(401, "Unauthorized");
    assert!(message.contains("x-remote-user"), "{message}");
    // Anybody may read the health, because the kubelet has no certificate.
    let anonymous = stage.gateway.client_with(&Credentials::Anonymous);
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            Answer::get(&anonymous, path, &forged).await.code,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn parent_segments_are_400_in_every_spelling() {
    let stage = Stage::shared().await;
    let climbs = [
        "/..",
        "/api/../../x",
        "/%2e%2e/x",
        "/%2E./x",
        "/a%2f..%2fb",
        "/%252e%252e/x",
        "/..%5cx",
    ];
    for tail in climbs {
        let path = proxy("managed1", tail);
        let answer = Answer::get(&stage.as_hub(), &path, &[ALICE, MASTERS]).await;
        let message = answer.refuses(400, "BadRequest");
        assert!(message.contains("segment"), "{tail}: {message}");
    }
    // The hub decodes escapes before it passes a request on. The gateway sees what is left.
    for tail in ["/..", "/%2e%2e/x", "/a%2f..%2fb", "/%252e%252e/x"] {
        let answer = Answer::get(&stage.hub().client(), &proxy("managed1", tail), &[]).await;
        answer.refuses(400, "BadRequest");
    }
}

#[tokio::test]
async fn bad_names_escapes_and_methods_are_named() {
    let stage = Stage::shared().await;
    let known = [ALICE, MASTERS];
    let get = async |path: String| Answer::get(&stage.as_hub(), &path, &known).await;
    let message = get(proxy("Bad_Name", "/healthz"))
        .await
        .refuses(400, "BadRequest");
    assert!(message.contains("Bad_Name"), "{message}");
    let message = get(proxy("managed1", "/a%zz"))
        .await
        .refuses(400, "BadRequest");
    assert!(message.contains('%'), "{message}");
    get(format!("{GATEWAYS}/managed1/nonsense"))
        .await
        .refuses(404, "NotFound");
    get(format!("{GATEWAYS}?labelSelector=a+in+b"))
        .await
        .refuses(400, "BadRequest");
    let message = get(format!("{GATEWAYS}?watch=true&resourceVersion=newest"))
        .await
        .refuses(400, "BadRequest");
    assert!(message.contains("newest"), "{message}");
    let protobuf = ("accept", "application/vnd.kubernetes.protobuf");
    let headers = [ALICE, MASTERS, protobuf];
    Answer::get(&stage.as_hub(), GATEWAYS, &headers)
        .await
        .refuses(406, "NotAcceptable");
    let output = stage
        .hub()
        .kubectl(&["delete", "clustergateway", "managed1"])
        .run()
        .await
        .unwrap();
    assert!(output.stderr.contains("MethodNotAllowed"), "{output}");
}

#[tokio::test]
async fn impersonation_headers_past_the_hub_are_refused() {
    let stage = Stage::shared().await;
    let path = proxy("managed1", "/api/v1/namespaces");
    for header in [
        "impersonate-user",
        "impersonate-group",
        "impersonate-uid",
        "impersonate-extra-a",
    ] {
        for connection in ["keep-alive", header] {
            let headers = [
                ALICE,
                MASTERS,
                (header, "system:admin"),
                ("connection", connection),
            ];
            let answer = Answer::get(&stage.as_hub(), &path, &headers).await;
            // HTTP/2 has no Connection header. Over HTTP/1.1 it must not hide other headers.
            let message = answer.refuses(400, "BadRequest");
            assert!(message.contains(header), "{message}");
        }
    }
    // The hub's own --as still works, because the hub decides about it.
    let get = [
        "get",
        "--raw",
        &proxy("managed1", "/healthz"),
        "--as=mallory",
    ];
    let output = stage.hub().kubectl(&get).run().await.unwrap();
    assert!(
        output.stderr.contains("mallory") && output.stderr.contains("Forbidden"),
        "{output}"
    );
}

#[tokio::test]
async fn a_target_that_is_too_long_is_refused_at_once_and_the_limit_is_named() {
    let stage = Stage::shared().await;
    let (hub, began) = (stage.hub(), Instant::now());
    let server = format!("{}{}", hub.url(), proxy("managed1", ""));
    let config = hub
        .write_kubeconfig("long.kubeconfig", &server, &hub.ca_pem(), hub.admin())
        .unwrap();
    for (length, refused) in [(60_000, None), (70_000, Some("65534 bytes"))] {
        let path = format!("/api/v1/pods?labelSelector=a!={}", "x".repeat(length));
        let output = hub.kubectl_with(&config, &["get", "--raw", &path]).run();
        let said = output.await.unwrap().stderr;
        // The API server itself is content with the length, but not with such a value.
        let wanted = refused.unwrap_or("unable to parse requirement");
        assert!(said.contains(wanted), "{length}: {said}");
    }
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn an_upload_that_the_api_server_refuses_early_keeps_its_413() {
    let stage = Stage::shared().await;
    let hub = stage.hub();
    let server = format!("{}{}", hub.url(), proxy("managed1", ""));
    let config = hub
        .write_kubeconfig("large.kubeconfig", &server, &hub.ca_pem(), hub.admin())
        .unwrap();
    let large = format!(
        r#"{{"kind": "ConfigMap", "data": {{"a": "{}"}}}}"#,
        "x".repeat(5 << 20)
    );
    let path = "/api/v1/namespaces/default/configmaps";
    for _ in 0..3 {
        let create = hub.kubectl_with(&config, &["create", "--raw", path, "-f", "-"]);
        let output = create.stdin(large.clone()).run().await.unwrap();
        assert!(
            output.stderr.contains("limit is 3145728"),
            "{}",
            output.stderr
        );
    }
}
