//! Grants over time: whom they let in, and which streams end with them.

use std::{pin::pin, time::Duration};

use jiff::SignedDuration;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::{
    select,
    time::{Instant, sleep},
};

use super::*;
use crate::{acting::Named, follow::end_in_time};

const EPOCH: Timestamp = Timestamp::UNIX_EPOCH;

/// A grant in its first version, which the operator has seen. Subjects are `user:alice`,
/// `group:dev`, `account:ci:bot` or `gateway`; states are as in the status, with their reason
/// behind a slash.
pub(crate) fn grant(name: &str, subjects: &[&str], states: &[(&str, &str)]) -> AccessGrant {
    let states = states.iter().map(|(cluster, state)| {
        let (state, reason) = state.split_once('/').unwrap_or((state, ""));
        json!({"name": cluster, "state": state, "reason": reason, "since": "1970-01-01T00:00:01Z"})
    });
    let subjects = subjects.iter().map(|it| subject(it));
    serde_json::from_value(json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name, "uid": name, "generation": 1, "creationTimestamp": "1970-01-01T00:00:00Z"},
        "spec": {
            "clusters": {"selector": {}},
            "subjects": subjects.collect::<Vec<_>>(),
            "role": {"clusterRole": "view"},
        },
        "status": {"observedGeneration": 1, "clusterStates": states.collect::<Vec<_>>()},
    }))
    .unwrap()
}

fn subject(said: &str) -> Value {
    match said.split_once(':') {
        Some(("user", name)) => json!({"kind": "User", "name": name}),
        Some(("group", name)) => json!({"kind": "Group", "name": name}),
        Some(("account", rest)) => {
            let (namespace, name) = rest.split_once(':').unwrap();
            json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
        }
        _ => json!({"kind": "Gateway"}),
    }
}

/// A caller of the hub.
pub(super) fn caller(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|&it| it.to_owned()).collect(),
        ..User::default()
    }
}

/// What is decided about a caller, in a few words.
pub(super) fn told(decided: Result<Acting, Denied>) -> String {
    let groups = |groups: Vec<Arc<Named>>| {
        let names = groups.iter().map(|it| format!(" {}", text(&it.value)));
        names.collect::<String>()
    };
    match decided {
        Ok(Acting::User {
            user,
            groups: known,
        }) => {
            format!("{}{}", text(&user.value), groups(known))
        }
        Ok(Acting::Member {
            caller,
            groups: known,
        }) => {
            format!("({}){}", text(&caller), groups(known))
        }
        Ok(Acting::Account) => "account".to_owned(),
        Err(denied) => denied.to_string(),
    }
}

fn text(value: &http::HeaderValue) -> &str {
    std::str::from_utf8(value.as_bytes()).unwrap()
}

fn cluster() -> ClusterName {
    "managed1".parse().unwrap()
}

/// Grants of a hub whose one cluster is `managed1`, all of them read.
fn grants(all: &[AccessGrant]) -> Grants {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let clusters = Clusters::at_addresses();
    clusters.derive_at("managed1", "https://10.0.0.1", "no authority", "token");
    let metrics = Metrics::register(&mut Registry::default());
    let grants = Grants::new(Arc::new(clusters), metrics);
    grants.replace(all, EPOCH);
    grants
}

impl Grants {
    /// These grants at once, as of now.
    pub(crate) fn of(clusters: Arc<Clusters>, all: &[AccessGrant]) -> Self {
        let grants = Self::new(clusters, Metrics::register(&mut Registry::default()));
        grants.replace(all, EPOCH);
        grants
    }

    /// One of them goes.
    pub(crate) fn lose(&self, name: &str) {
        self.set(name, None, EPOCH);
    }

    fn lasting(&self, caller: &User) -> Admitted {
        let clusters = self.clusters.snapshot();
        let streams = &clusters.by_name[&cluster()].streams;
        self.admit(caller, &cluster(), Some(streams)).unwrap()
    }

    fn told(&self, name: &str, groups: &[&str]) -> String {
        let admitted = self.admit(&caller(name, groups), &cluster(), None);
        told(admitted.map(|admitted| admitted.acting))
    }
}

/// A grant to users, for tests of what requests become.
pub(crate) fn applied(name: &str, subjects: &[&str]) -> AccessGrant {
    grant(name, subjects, &[("managed1", "Applied")])
}

#[test]
fn nobody_is_let_in_before_all_grants_were_read() {
    let unread = Grants::new(
        Arc::new(Clusters::at_addresses()),
        Metrics::register(&mut Registry::default()),
    );
    let said = unread.told("alice", &[]);
    assert!(said.contains("has not read all AccessGrants"), "{said}");
    unread.set("g", Some(&applied("g", &["user:alice"])), EPOCH);
    assert!(unread.told("alice", &[]).contains("has not read"));
    unread.replace(&[], EPOCH);
    assert_eq!(unread.told("alice", &[]), "account");
}

#[test]
fn streams_end_with_what_let_them_in_and_no_others() {
    let both = applied("both", &["user:alice", "group:dev"]);
    let grants = grants(&[both.clone(), applied("bob", &["user:bob", "gateway"])]);
    let alice = grants.lasting(&caller("alice", &["dev"])).tether.unwrap();
    let member = grants.lasting(&caller("carol", &["dev"])).tether.unwrap();
    let bob = grants.lasting(&caller("bob", &[])).tether.unwrap();
    let nobody = grants.lasting(&caller("nobody", &[])).tether.unwrap();

    let mut narrower = both.clone();
    narrower.spec.subjects.pop();
    narrower.metadata.generation = Some(2);
    grants.set("both", Some(&narrower), EPOCH);
    assert!(alice.is_cut() && member.is_cut());
    assert_eq!(grants.told("alice", &["dev"]), "alice");
    assert!(!bob.is_cut() && !nobody.is_cut());

    grants.set("bob", None, EPOCH);
    assert!(bob.is_cut() && nobody.is_cut());
    assert_eq!(grants.metrics.streams_cut.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_grant_ends_by_the_clock_alone() {
    let mut short = applied("short", &["user:alice"]);
    short.spec.expires_after = Some("90s".to_owned());
    let grants = grants(&[short, applied("long", &["user:bob"])]);
    let begin = Instant::now();
    let now = || {
        let passed = SignedDuration::try_from(begin.elapsed()).unwrap();
        EPOCH + passed
    };
    let alice = grants.lasting(&caller("alice", &[])).tether.unwrap();
    let bob = grants.lasting(&caller("bob", &[])).tether.unwrap();
    let mut clock = pin!(end_in_time(&grants, now));
    select! {
        () = &mut clock => {}
        () = sleep(Duration::from_secs(89)) => {}
    }
    assert!(!alice.is_cut());
    assert_eq!(grants.told("alice", &[]), "alice");
    select! {
        () = &mut clock => {}
        () = alice.cut() => {}
    }
    assert_eq!(begin.elapsed().as_secs(), 90);
    assert_eq!(grants.told("alice", &[]), "account");
    assert!(!bob.is_cut());
    assert_eq!(grants.told("bob", &[]), "bob");
}
