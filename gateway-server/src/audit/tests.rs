use std::sync::mpsc::{Receiver, sync_channel};

use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use runtime::admin::metrics_text;
use tokio::time::Instant;

use super::{queue::MOST_BYTES, *};
use crate::{
    acting::Acting, args::AuditDestination, authentication::User, authorization::Action, verb::Verb,
};

/// Keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Sink for Kept {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.lock().extend_from_slice(lines);
        Ok(())
    }
}

/// Takes nothing until it is told that it may.
struct Stalled(Receiver<()>);

impl Sink for Stalled {
    fn append(&mut self, _lines: &[u8]) -> io::Result<()> {
        // When the other end is gone, it takes everything.
        let _ = self.0.recv();
        Ok(())
    }
}

fn clock() -> Timestamp {
    "2026-01-02T03:04:05.678901Z".parse().unwrap()
}

fn audit(sink: impl Sink + 'static, policy: Policy) -> (Audit, Registry) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let audit = Audit::into(Box::new(sink), policy, &metrics, clock).unwrap();
    (audit, registry)
}

fn question() -> Arc<Question> {
    let user = User {
        name: "alice".to_owned(),
        uid: "7".to_owned(),
        groups: vec!["people".to_owned(), "system:authenticated".to_owned()],
        extra: [("token".to_owned(), vec!["a-secret".to_owned()])].into(),
    };
    let cluster = "managed1".parse().unwrap();
    let action = Action::of(Verb::Get, "proxy", &cluster);
    Arc::new(Question { user, action })
}

fn to(tail: &str, service: Option<&str>) -> Destination {
    Destination {
        cluster: "managed1".parse().unwrap(),
        service: service.map(|it| it.parse().unwrap()),
        tail_length: tail.len(),
    }
}

fn begin(audit: &Audit, method: &str, tail: &str, service: Option<&str>) -> Option<Arc<Pending>> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!(
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy{tail}"
        ))
        .header("audit-id", "9b8f-of-the-hub")
        .header("user-agent", "kubectl/v1.36")
        .header("x-forwarded-for", "192.0.2.7, nonsense, 2001:db8::1")
        .header("authorization", "Bearer a-secret")
        .header("cookie", "a-secret")
        .body(())
        .unwrap();
    let path = tail.split('?').next().unwrap();
    let peer = "::ffff:10.0.0.1".parse().unwrap();
    audit.begin(&mut request, peer, &question(), &to(path, service))
}

fn text(kept: &Kept) -> String {
    String::from_utf8(kept.0.lock().clone()).unwrap()
}

#[tokio::test]
async fn events_tell_who_did_what_where() {
    let kept = Kept::default();
    let (audit, registry) = audit(kept.clone(), Policy::everything());
    let value = HeaderValue::from_static;

    let listed = begin(
        &audit,
        "GET",
        "/api/v1/namespaces/a/pods?limit=5&continue=a-secret",
        None,
    );
    let listed = listed.unwrap();
    listed.acts_as(&Acting::Member {
        caller: value("alice"),
        groups: vec![value("cluster:hub:grant:1")],
    });
    listed.answered(StatusCode::OK, None);
    drop(listed);

    let exec = "/api/v1/namespaces/a/pods/b/exec?command=a-secret&stdin=true";
    let exec = begin(&audit, "GET", exec, None).unwrap();
    exec.acts_as(&Acting::User {
        user: value("hub:alice"),
        groups: vec![value("cluster:hub:grant:2")],
    });
    exec.answered(StatusCode::SWITCHING_PROTOCOLS, None);
    drop(exec);

    let refused = begin(
        &audit,
        "POST",
        "/apis/apps/v1/namespaces/a/deployments",
        None,
    )
    .unwrap();
    refused.answered(
        StatusCode::SERVICE_UNAVAILABLE,
        Some("no tunnel\u{7} of managed1"),
    );
    drop(refused);

    // The caller leaves before the answer begins.
    drop(begin(&audit, "GET", "/version", None));

    let service = begin(&audit, "GET", "/login?watch=a-secret", Some("shop/web:80")).unwrap();
    service.acts_as(&Acting::Account);
    service.answered(StatusCode::NOT_FOUND, None);
    drop(service);

    audit.close().await;
    let text = text(&kept);
    assert!(!text.contains("a-secret"), "{text}");
    insta::assert_snapshot!(text);
    assert!(metrics_text(&registry).contains("gateway_audit_events_total 7"));
}

#[tokio::test]
async fn the_policy_says_what_is_recorded() {
    let kept = Kept::default();
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n\
                  - {level: None, verbs: [get]}\n\
                  - {level: Metadata, omitStages: [ResponseComplete]}\n";
    let (audit, _) = audit(kept.clone(), Policy::parse(policy).unwrap());
    assert!(begin(&audit, "GET", "/api/v1/nodes/a", None).is_none());
    for tail in ["/api/v1/nodes", "/api/v1/nodes?watch=true"] {
        let pending = begin(&audit, "GET", tail, None).unwrap();
        pending.answered(StatusCode::OK, None);
    }
    audit.close().await;
    let text = text(&kept);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("ResponseStarted") && text.contains("\"watch\""),
        "{text}"
    );
}

#[test]
fn a_request_without_a_usable_audit_id_gets_one() {
    let (audit, _) = audit(Kept::default(), Policy::everything());
    let id = |given: Option<&str>| {
        let mut request = Request::new(());
        *request.uri_mut() = "/version".parse().unwrap();
        if let Some(given) = given {
            request
                .headers_mut()
                .insert("audit-id", given.parse().unwrap());
        }
        let peer = "10.0.0.1".parse().unwrap();
        let _pending = audit.begin(&mut request, peer, &question(), &to("/version", None));
        request.headers()["audit-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id(Some("9b8f")), "9b8f");
    let (one, other) = (id(None), id(Some(&"x".repeat(65))));
    assert_ne!(one, other);
    for id in [one, other] {
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
        assert!(
            id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_writer_that_stalls_holds_up_no_request() {
    let (go_on, stalled) = sync_channel(0);
    let (audit, registry) = audit(Stalled(stalled), Policy::everything());
    let all = MOST_BYTES / 1024 + 10_000;
    let longest = (0..all).map(|_| {
        let begun = Instant::now();
        drop(begin(&audit, "GET", "/api/v1/pods", None));
        begun.elapsed()
    });
    let longest = longest.max().unwrap();
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    let lost = |registry: &Registry| -> usize {
        let text = metrics_text(registry);
        let mut lost = text
            .lines()
            .filter_map(|line| line.strip_prefix("gateway_audit_events_lost_total"));
        lost.next()
            .unwrap()
            .split_once(' ')
            .unwrap()
            .1
            .parse()
            .unwrap()
    };
    assert!(lost(&registry) >= 10_000 / 2, "{}", metrics_text(&registry));
    // The others are written as soon as it goes on, and then there is room again.
    drop(go_on);
    audit.close().await;
    let written = format!("gateway_audit_events_total {}\n", all - lost(&registry));
    let text = metrics_text(&registry);
    assert!(text.contains(&written), "{written} {text}");
    let before = lost(&registry);
    drop(begin(&audit, "GET", "/api/v1/pods", None));
    assert_eq!(lost(&registry), before);
}

#[tokio::test]
async fn events_that_a_full_disk_does_not_take_are_counted() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let settings = AuditSettings {
        destination: AuditDestination::File("/dev/full".into()),
        policy: None,
        max_bytes: 1 << 20,
        backups: 1,
    };
    let audit = Audit::open(&settings, &metrics, clock).unwrap();
    for _ in 0..3 {
        begin(&audit, "GET", "/api/v1/pods", None)
            .unwrap()
            .answered(StatusCode::OK, None);
    }
    audit.close().await;
    let text = metrics_text(&registry);
    assert!(
        text.contains("gateway_audit_events_lost_total{at=\"write\"} 3"),
        "{text}"
    );
    assert!(text.contains("gateway_audit_events_total 0"), "{text}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_as_asked_stops_the_start() {
    let metrics = Metrics::register(&mut Registry::default());
    let directory = tempfile::tempdir().unwrap();
    let settings = |name: &str, policy: Option<&str>| AuditSettings {
        destination: AuditDestination::File(directory.path().join(name)),
        policy: policy.map(|it| directory.path().join(it)),
        max_bytes: 1 << 20,
        backups: 1,
    };
    fs::write(directory.path().join("policy"), "rules: []").unwrap();
    for (settings, wanted) in [
        (settings("no/such/directory", None), "cannot open"),
        (settings("log", Some("nowhere")), "cannot read"),
        (settings("log", Some("policy")), "policy"),
    ] {
        let error = Audit::open(&settings, &metrics, clock)
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
