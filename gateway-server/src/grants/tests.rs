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
use crate::{authorization::Action, follow::end_in_time};

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

/// The caller asks for something of the cluster.
fn asks(user: User) -> Arc<Question> {
    let action = Action::attach(&cluster());
    Arc::new(Question { user, action })
}

/// What is decided about a caller, in a few words: its name on the cluster (or on the hub, in
/// parentheses), and the grants that count for it.
pub(super) fn told(decided: Result<Acting, Denied>, grants: &[&str]) -> String {
    let sorted = |groups: Vec<http::HeaderValue>| {
        let is_of = |name: &&&str| groups.contains(&group_of(name));
        let names: Vec<_> = grants.iter().filter(is_of).copied().collect();
        assert_eq!(names.len(), groups.len(), "{groups:?}");
        names.join(" ")
    };
    match decided {
        Ok(Acting::User { user, groups }) => format!("{} {}", text(&user), sorted(groups)),
        Ok(Acting::Member { caller, groups }) => format!("({}) {}", text(&caller), sorted(groups)),
        Ok(Acting::Account) => "account".to_owned(),
        Err(denied) => denied.to_string(),
    }
}

/// The group of a grant that [`grant`] makes.
fn group_of(name: &str) -> http::HeaderValue {
    let group = grant(name, &[], &[]).group();
    group.try_into().unwrap()
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
    let grants = Grants::new(
        Identities::default(),
        Arc::new(clusters),
        metrics,
        HubClock::default(),
    );
    grants.replace(all, EPOCH);
    grants.replace_used(HashSet::new());
    grants.are_unbounded();
    grants
}

impl Grants {
    /// These grants at once, as of now.
    pub(crate) fn of(clusters: Arc<Clusters>, all: &[AccessGrant]) -> Self {
        let metrics = Metrics::register(&mut Registry::default());
        let grants = Self::new(
            Identities::default(),
            clusters,
            metrics,
            HubClock::default(),
        );
        grants.replace(all, EPOCH);
        grants.replace_used(HashSet::new());
        grants.are_unbounded();
        grants
    }

    /// There are no caps, and no cluster has a label.
    fn are_unbounded(&self) {
        self.set_caps(Caps::default(), EPOCH);
        self.replace_labels(HashMap::new(), EPOCH);
    }

    /// One of them goes.
    pub(crate) fn lose(&self, name: &str) {
        self.set(name, None, EPOCH);
    }

    fn lasting(&self, caller: &User) -> Admitted {
        let clusters = self.clusters.snapshot();
        let streams = &clusters.by_name[&cluster()].streams;
        self.admit(&asks(caller.clone()), &cluster(), Some(streams))
            .unwrap()
    }

    fn told(&self, name: &str, groups: &[&str]) -> String {
        let admitted = self.admit(&asks(caller(name, groups)), &cluster(), None);
        let known = ["both", "bob", "g", "short", "long"];
        told(admitted.map(|admitted| admitted.acting), &known)
    }
}

/// A grant to users, for tests of what requests become.
pub(crate) fn applied(name: &str, subjects: &[&str]) -> AccessGrant {
    grant(name, subjects, &[("managed1", "Applied")])
}

#[test]
fn nobody_is_let_in_before_all_grants_and_their_use_were_read() {
    let unread = Grants::new(
        Identities::default(),
        Arc::new(Clusters::at_addresses()),
        Metrics::register(&mut Registry::default()),
        HubClock::default(),
    );
    let said = unread.told("alice", &[]);
    assert!(said.contains("has not read all AccessGrants"), "{said}");
    unread.set("g", Some(&applied("g", &["user:alice"])), EPOCH);
    assert!(unread.told("alice", &[]).contains("has not read"));
    unread.replace(&[], EPOCH);
    assert!(unread.told("alice", &[]).contains("has not read"));
    unread.replace_used(HashSet::new());
    assert!(unread.told("alice", &[]).contains("has not read"));
    unread.are_unbounded();
    assert_eq!(unread.told("alice", &[]), "account");
}

#[test]
fn streams_end_with_what_let_them_in_and_no_others() {
    let both = applied("both", &["user:alice", "group:dev"]);
    let grants = grants(&[both.clone(), applied("bob", &["user:bob"])]);
    let alice = grants.lasting(&caller("alice", &["dev"])).tether.unwrap();
    let member = grants.lasting(&caller("carol", &["dev"])).tether.unwrap();
    let bob = grants.lasting(&caller("bob", &[])).tether.unwrap();
    let nobody = grants.lasting(&caller("nobody", &[])).tether.unwrap();

    let mut narrower = both.clone();
    narrower.spec.subjects.pop();
    narrower.metadata.generation = Some(2);
    grants.set("both", Some(&narrower), EPOCH);
    // Alice has the same by her own name.
    assert!(member.is_cut() && !alice.is_cut());
    assert_eq!(grants.told("alice", &["dev"]), "hub:alice both");

    let mut other = narrower.clone();
    other.spec.role.cluster_role = Some("edit".to_owned());
    other.metadata.generation = Some(3);
    grants.set("both", Some(&other), EPOCH);
    assert!(alice.is_cut() && !bob.is_cut() && !nobody.is_cut());

    grants.set("bob", None, EPOCH);
    assert!(bob.is_cut() && !nobody.is_cut());
    // From the first grant on, the account is nobody's.
    grants.set_used(&cluster(), true);
    assert!(nobody.is_cut());
    assert_eq!(grants.metrics.streams_cut.get(), 4);
}

#[test]
fn who_is_named_while_it_acts_as_the_account_no_longer_does() {
    let grants = grants(&[]);
    let alice = grants.lasting(&caller("alice", &[])).tether.unwrap();
    let bob = grants.lasting(&caller("bob", &[])).tether.unwrap();
    grants.set("g", Some(&applied("g", &["user:alice"])), EPOCH);
    assert!(alice.is_cut() && !bob.is_cut());
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
    assert_eq!(grants.told("alice", &[]), "hub:alice short");
    select! {
        () = &mut clock => {}
        () = alice.cut() => {}
    }
    assert_eq!(begin.elapsed().as_secs(), 90);
    let told = grants.told("alice", &[]);
    let wanted = "AccessGrant \"short\", which names you, has ended there (since 1970-01-01T00:01:30Z): it has expired";
    assert_eq!(told, wanted);
    assert!(!bob.is_cut());
    assert_eq!(grants.told("bob", &[]), "hub:bob long");
}
