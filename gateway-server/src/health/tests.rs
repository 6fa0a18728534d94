//! What is written to the hub, and what its answers become.

use std::time::Duration;

use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use tower::service_fn;

use super::*;

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A hub that answers with this, and remembers what it was asked.
fn hub(code: u16, answer: &Value) -> (HealthNotes, Asked) {
    let (asked, answer) = (Asked::default(), answer.to_string());
    let noted = Arc::clone(&asked);
    let hub = service_fn(move |request: Request<Body>| {
        let (asked, answer) = (Arc::clone(&noted), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let media = head.headers[CONTENT_TYPE].to_str().unwrap().to_owned();
            let line = format!("{} {} {media}", head.method, head.uri);
            asked
                .lock()
                .push((line, serde_json::from_slice(&body).unwrap()));
            let answer = Response::builder()
                .status(code)
                .body(Body::from(answer.into_bytes()));
            Ok::<_, tower::BoxError>(answer.unwrap())
        }
    });
    (
        HealthNotes::new(Client::new(hub, "default"), "credentials"),
        asked,
    )
}

fn report() -> Report {
    Report {
        healthy: true,
        reason: "ConnectionTimeout".to_owned(),
        ..Report::default()
    }
}

async fn write(notes: &HealthNotes, dry_run: bool) -> Result<Option<String>, WriteError> {
    let cluster = "managed1".parse().unwrap();
    let target = Target {
        cluster: &cluster,
        uid: Some("u-1"),
        revision: Some(41),
    };
    notes.write(target, &report(), dry_run).await
}

#[tokio::test]
async fn two_annotations_of_the_secret_are_patched_and_nothing_else() {
    let (notes, asked) = hub(
        200,
        &json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"name": "managed1", "resourceVersion": "42"},
        }),
    );
    assert_eq!(write(&notes, false).await, Ok(Some("42".to_owned())));
    write(&notes, true).await.unwrap();
    let asked = asked.lock();
    let (line, patch) = &asked[0];
    assert!(
        line.starts_with("PATCH /api/v1/namespaces/credentials/secrets/managed1?"),
        "{line}"
    );
    assert!(line.ends_with(" application/merge-patch+json"), "{line}");
    assert!(!line.contains("dryRun"), "{line}");
    assert_eq!(
        *patch,
        json!({"metadata": {
            "uid": "u-1", "resourceVersion": "41",
            "annotations": {
                "status.cluster.core.oam.dev/healthy": "true",
                "status.cluster.core.oam.dev/healthy-reason": "ConnectionTimeout",
            },
        }})
    );
    assert!(asked[1].0.contains("dryRun=All"), "{}", asked[1].0);
}

#[tokio::test]
async fn what_the_hub_says_becomes_an_answer_that_names_the_next_step() {
    for (code, wanted, words) in [
        (409, 409, "please get it again"),
        (404, 404, "is gone"),
        (403, 500, "apply config/gateway/rbac.yaml"),
        (422, 422, "refuses"),
        (429, 429, "too much to do"),
        (500, 503, "cannot ask the hub"),
    ] {
        let (notes, _) = hub(
            code,
            &json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "message": "because", "reason": "Some",
            }),
        );
        let error = write(&notes, false).await.unwrap_err();
        let refusal = error.refusal(&"managed1".parse().unwrap());
        assert_eq!(refusal.code(), wanted, "{code}");
        assert!(refusal.message().contains(words), "{}", refusal.message());
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_does_not_answer_is_given_up() {
    let hub = service_fn(|_: Request<Body>| async {
        tokio::time::sleep(Duration::from_hours(1)).await;
        Ok::<_, tower::BoxError>(Response::new(Body::empty()))
    });
    let notes = HealthNotes::new(Client::new(hub, "default"), "credentials");
    let given_up = write(&notes, false).await.unwrap_err();
    assert_eq!(given_up.refusal(&"managed1".parse().unwrap()).code(), 504);
}
