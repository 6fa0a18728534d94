//! What grants come to as they change, one at a time and many at once.

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::grants::{
    decision::{Denied, decide},
    tests::{caller, grant, told},
};
use crate::{acting::Acting, identities::Identities};
use crds::gateway::{AccessGrant, GrantState, OnHub, REMOVING};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn decided(ledger: &Ledger, user: &str, groups: &[&str], cluster: &str) -> Result<Acting, Denied> {
    let cluster = cluster.parse().unwrap();
    let identities = Identities::default();
    decide(
        &caller(user, groups),
        &cluster,
        ledger.standings(),
        &identities,
    )
}

/// The same, whatever the order of the groups.
fn sorted(decided: Result<Acting, Denied>) -> Result<Acting, Denied> {
    let mut acting = decided?;
    if let Acting::User { groups, .. } | Acting::Member { groups, .. } = &mut acting {
        groups.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    }
    Ok(acting)
}

impl Ledger {
    /// True if somebody may have lost something on a cluster.
    fn takes(&mut self, grant: &AccessGrant, now: Timestamp) -> bool {
        let mut changed = Changed::new();
        let name = grant.metadata.name.clone().unwrap();
        self.set(&name, Some(Reading::of(grant)), now, &mut changed);
        !changed.is_empty()
    }

    /// There are no caps, and no cluster has a label.
    pub(in crate::grants) fn is_unbounded(&mut self) {
        self.set_caps(Caps::default(), NOW);
        self.replace_labels(HashMap::new(), NOW);
    }

    fn loses(&mut self, name: &str) -> bool {
        let mut changed = Changed::new();
        self.set(name, None, NOW, &mut changed);
        !changed.is_empty()
    }

    fn user(&self, name: &str) -> String {
        told(decided(self, name, &[], "managed1"), &["g", "other"])
    }
}

fn read() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.replace(Vec::new(), NOW);
    ledger.replace_used(HashSet::new());
    ledger.is_unbounded();
    ledger
}

fn states(state: &str) -> AccessGrant {
    grant("g", &["user:alice", "user:bob"], &[("managed1", state)])
}

/// The same grant in its second version, without bob and with carol.
fn edited(observed: i64, state: &str) -> AccessGrant {
    let subjects = ["user:alice", "user:carol"];
    let mut grant = grant("g", &subjects, &[("managed1", state)]);
    grant.metadata.generation = Some(2);
    grant.status.as_mut().unwrap().observed_generation = Some(observed);
    grant
}

#[test]
fn an_edit_of_the_subjects_takes_nothing_from_those_who_stay() {
    let mut ledger = read();
    assert!(ledger.takes(&states("Applied"), NOW));
    assert!(!ledger.takes(&states("Applied"), NOW));
    for (observed, state) in [(1, "Applied"), (2, "Pending/Bringing"), (2, "Pending")] {
        ledger.takes(&edited(observed, state), NOW);
        assert_eq!(ledger.user("alice"), "hub:alice g");
        assert_eq!(ledger.user("bob"), "account");
        let carol = ledger.user("carol");
        assert!(
            carol.contains("AccessGrant \"g\", which names you, is pending"),
            "{carol}"
        );
    }
    ledger.takes(&edited(2, "Applied"), NOW);
    assert_eq!(ledger.user("alice"), "hub:alice g");
    assert_eq!(ledger.user("carol"), "hub:carol g");
}

fn caps(roles: &[&str]) -> Caps {
    let access = serde_json::json!({"caps": [{"clusterRoles": roles}]});
    let access: crds::gateway::Access = serde_json::from_value(access).unwrap();
    Caps::from(&access)
}

fn labelled(label: &str) -> Labels {
    [("env".to_owned(), label.to_owned())].into()
}

/// The same grant for clusters that this selects.
fn choosing(clusters: serde_json::Value, version: i64, observed: i64) -> AccessGrant {
    let mut grant = states("Applied");
    grant.spec.clusters = serde_json::from_value(clusters).unwrap();
    grant.metadata.generation = Some(version);
    grant.status.as_mut().unwrap().observed_generation = Some(observed);
    grant
}

#[test]
fn nobody_acts_by_grants_before_their_bounds_are_known() {
    let mut ledger = Ledger::default();
    ledger.replace(Vec::new(), NOW);
    ledger.replace_used(HashSet::new());
    ledger.takes(&states("Applied"), NOW);
    let unread = "has not read all AccessGrants, and what bounds them";
    assert!(ledger.user("alice").contains(unread));
    ledger.set_caps(Caps::default(), NOW);
    assert!(ledger.user("alice").contains(unread));
    ledger.replace_labels(HashMap::new(), NOW);
    assert_eq!(ledger.user("alice"), "hub:alice g");
}

#[test]
fn a_cap_ends_what_is_applied_beyond_it_and_its_end_gives_it_back() {
    let mut ledger = read();
    ledger.takes(&states("Applied"), NOW);
    let concerned: Changed = ["managed1".parse().unwrap()].into();
    assert_eq!(ledger.set_caps(caps(&["edit"]), NOW), concerned);
    let alice = ledger.user("alice");
    assert!(
        alice.contains("is failing there: BeyondCap: spec.access.caps of the GatewayConfiguration do not allow its role"),
        "{alice}"
    );
    assert_eq!(ledger.set_caps(caps(&["view"]), NOW), concerned);
    assert_eq!(ledger.user("alice"), "hub:alice g");
    assert_eq!(ledger.set_caps(Caps::default(), NOW), Changed::new());
}

#[test]
fn a_grant_ends_on_a_cluster_that_loses_the_label_by_which_it_was_selected() {
    let cluster: ClusterName = "managed1".parse().unwrap();
    let mut ledger = read();
    ledger.replace_labels([(cluster.clone(), labelled("dev"))].into(), NOW);
    let dev = serde_json::json!({"selector": {"matchLabels": {"env": "dev"}}});
    ledger.takes(&choosing(dev, 1, 1), NOW);
    assert_eq!(ledger.user("alice"), "hub:alice g");
    for labels in [labelled("prod"), Labels::new()] {
        ledger.set_labels(&cluster, labels, NOW);
        let alice = ledger.user("alice");
        assert!(
            alice.contains("has ended there: it does not select the cluster any more"),
            "{alice}"
        );
        ledger.set_labels(&cluster, labelled("dev"), NOW);
        assert_eq!(ledger.user("alice"), "hub:alice g");
    }
}

#[test]
fn a_grant_for_fewer_clusters_ends_on_the_others_before_the_operator_sees_it() {
    use serde_json::json;
    let placement = |name: &str| json!({"namespace": "a", "name": name});
    let was = json!({"names": ["managed1", "managed2"]});
    let by_placement = json!({"placements": [placement("p"), placement("q")]});
    let ended = "has ended there: it does not select the cluster any more";
    let pending = "is pending there: the operator has not seen its newest version yet";
    for (was, now, wanted) in [
        (was.clone(), json!({"names": ["managed2"]}), Some(ended)),
        (was.clone(), json!({"names": ["managed1"]}), None),
        (
            was.clone(),
            json!({"names": ["managed2"], "selector": {"matchLabels": {"env": "dev"}}}),
            Some(ended),
        ),
        (was, json!({"names": ["managed2"], "selector": {}}), None),
        // Only the operator knows whether another placement has chosen the cluster.
        (
            json!({"names": ["managed1"], "placements": [placement("p")]}),
            json!({"placements": [placement("p")]}),
            Some(pending),
        ),
        (
            by_placement.clone(),
            json!({"placements": [placement("q")]}),
            Some(pending),
        ),
        (
            by_placement.clone(),
            json!({"placements": [placement("q")], "names": ["managed1"]}),
            None,
        ),
        (
            by_placement.clone(),
            json!({"placements": [placement("q"), placement("p"), placement("r")]}),
            None,
        ),
        (by_placement, json!({"names": ["managed2"]}), Some(ended)),
    ] {
        let mut ledger = read();
        ledger.takes(&choosing(was.clone(), 1, 1), NOW);
        assert_eq!(ledger.user("alice"), "hub:alice g", "{was}");
        ledger.takes(&choosing(now.clone(), 2, 1), NOW);
        let alice = ledger.user("alice");
        match wanted {
            Some(words) => assert!(alice.contains(words), "{was} {now}: {alice}"),
            None => assert_eq!(alice, "hub:alice g", "{was} {now}"),
        }
    }
}

#[test]
fn an_edit_of_what_is_granted_ends_what_was_granted_before_at_once() {
    let wider = |spec: &mut AccessGrant| spec.spec.role.cluster_role = Some("admin".to_owned());
    let elsewhere = |spec: &mut AccessGrant| {
        let namespaces = serde_json::json!({"names": ["shop"]});
        spec.spec.namespaces = Some(serde_json::from_value(namespaces).unwrap());
    };
    let edits: [fn(&mut AccessGrant); 2] = [wider, elsewhere];
    for edit in edits {
        let mut ledger = read();
        ledger.takes(&states("Applied"), NOW);
        for (observed, state) in [(1, "Applied"), (2, "Pending/Shipping")] {
            let mut edited = edited(observed, state);
            edit(&mut edited);
            ledger.takes(&edited, NOW);
            let alice = ledger.user("alice");
            assert!(alice.contains("is pending"), "{alice}");
        }
        let mut edited = edited(2, "Applied");
        edit(&mut edited);
        ledger.takes(&edited, NOW);
        let group: http::HeaderValue = edited.group().try_into().unwrap();
        let Ok(Acting::User { groups, .. }) = decided(&ledger, "alice", &[], "managed1") else {
            panic!("she acts as herself");
        };
        assert_eq!(groups, [group]);
    }
}

#[test]
fn a_grant_that_is_taken_back_counts_for_nobody_and_is_not_forgotten_before_it_is_gone() {
    for (state, said) in [
        ("Pending/Removing", "has ended there"),
        (
            "Failed/Refused",
            "is failing there (since 1970-01-01T00:00:01Z): Refused",
        ),
    ] {
        let mut ledger = read();
        ledger.takes(&states("Applied"), NOW);
        assert!(ledger.takes(&states(state), NOW));
        let alice = ledger.user("alice");
        assert!(alice.contains(said), "{alice}");
        assert!(!ledger.takes(&states(state), NOW));
        let elsewhere = grant("g", &["user:alice", "user:bob"], &[]);
        assert!(ledger.takes(&elsewhere, NOW));
        assert_eq!(ledger.user("alice"), "account");
    }
    let mut deleting = states("Applied");
    let since = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOW);
    deleting.metadata.deletion_timestamp = Some(since);
    let mut ledger = read();
    ledger.takes(&states("Applied"), NOW);
    assert!(ledger.takes(&deleting, NOW));
    let alice = ledger.user("alice");
    assert!(alice.ends_with("has ended there (since 1970-01-01T00:00:00Z): it is being deleted"));
    assert!(ledger.loses("g"));
    assert_eq!(ledger.user("alice"), "account");
}

#[test]
fn a_grant_that_has_ended_counts_for_nobody_whatever_its_status_says() {
    let mut short = states("Applied");
    short.spec.expires_after = Some("10s".to_owned());
    let end = NOW + std::time::Duration::from_secs(10);
    let mut ledger = read();
    ledger.takes(&short, NOW);
    assert_eq!(ledger.next_end(), Some(end));
    assert!(!ledger.pass(end).is_empty());
    assert!(ledger.user("alice").contains("has ended"));
    assert_eq!(ledger.next_end(), None);
    assert!(ledger.pass(end).is_empty());
    // It names its subjects for as long as it exists.
    let mut expired = states("Expired");
    expired
        .spec
        .expires_after
        .clone_from(&short.spec.expires_after);
    ledger.takes(&expired, end);
    assert!(ledger.user("alice").contains("has ended"));
}

#[test]
fn what_only_looks_like_the_same_grant_carries_nothing_over() {
    let mut ledger = read();
    ledger.takes(&states("Applied"), NOW);
    let mut other = states("Pending");
    other.metadata.uid = Some("another".to_owned());
    assert!(ledger.takes(&other, NOW));
    assert!(ledger.user("alice").contains("is pending there"));
}

#[test]
fn a_cluster_that_a_new_grant_names_is_pending_before_the_operator_says_so() {
    let mut new = grant("g", &["user:alice"], &[]);
    new.spec.clusters.names = vec!["managed1".to_owned()];
    new.status = None;
    let mut ledger = read();
    ledger.takes(&new, NOW);
    let alice = ledger.user("alice");
    assert!(
        alice.contains("is pending there: the operator has not"),
        "{alice}"
    );
    // It held once, and ended; whoever prolongs it has to wait.
    let mut prolonged = states("Expired");
    prolonged.status.as_mut().unwrap().observed_generation = Some(0);
    ledger.takes(&states("Applied"), NOW);
    assert!(ledger.takes(&prolonged, NOW));
    assert!(ledger.user("alice").contains("is pending there"));
    // The operator has seen it, and there is no such cluster for it.
    let mut seen = grant("g", &["user:alice"], &[]);
    seen.spec.clusters = new.spec.clusters.clone();
    ledger.takes(&seen, NOW);
    assert_eq!(ledger.user("alice"), "account");
}

#[test]
fn a_full_list_forgets_what_is_not_in_it() {
    let mut ledger = read();
    ledger.takes(&states("Applied"), NOW);
    let other = grant("other", &["user:dave"], &[("managed1", "Applied")]);
    let changed = ledger.replace(vec![("other".to_owned(), Reading::of(&other))], NOW);
    assert_eq!(changed.len(), 1);
    assert_eq!(ledger.user("alice"), "account");
    assert_eq!(ledger.user("dave"), "hub:dave other");
}

#[test]
fn that_a_grant_was_used_is_known_by_cluster() {
    let mut ledger = read();
    let [one, two]: [ClusterName; 2] = ["managed1", "managed2"].map(|it| it.parse().unwrap());
    assert_eq!(ledger.set_used(&one, true), [one.clone()].into());
    assert!(ledger.set_used(&one, true).is_empty());
    assert!(ledger.user("alice").contains("no AccessGrant names"));
    let changed = ledger.replace_used([two.clone()].into());
    assert_eq!(changed, [one, two.clone()].into());
    assert_eq!(ledger.user("alice"), "account");
    assert_eq!(ledger.set_used(&two, false), [two].into());
}

const SUBJECTS: [&str; 4] = ["user:a", "user:b", "group:a", "account:x:y"];
const STATES: [&str; 6] = [
    "Applied",
    "Pending",
    "Pending/Removing",
    "Failed",
    "Expired",
    "Applied",
];

const CALLERS: [(&str, &[&str]); 3] = [
    ("a", &[]),
    ("b", &["a"]),
    ("system:serviceaccount:x:y", &[]),
];

/// Whether a grant may count for a subject on a cluster at all.
fn lets(grant: &AccessGrant, who: &OnHub, cluster: &str) -> bool {
    let mut subjects = grant.spec.subjects.iter();
    let mut states = grant.status.iter().flat_map(|it| &it.cluster_states);
    let may = [GrantState::Applied, GrantState::Pending];
    grant.metadata.deletion_timestamp.is_none()
        && subjects.any(|subject| subject.on_hub() == *who)
        && states.any(|it| it.name == cluster && it.reason != REMOVING && may.contains(&it.state))
}

/// One grant of three in any state, or its loss.
fn change() -> impl Strategy<Value = (usize, Option<AccessGrant>)> {
    let states = proptest::collection::btree_map(0..2_usize, 0..STATES.len(), 0..3);
    let subjects = proptest::sample::subsequence(SUBJECTS.to_vec(), 1..=4);
    let shape = (0..3_usize, states, subjects, 1..4_i64, 1..4_i64);
    (shape, any::<bool>(), proptest::bool::weighted(0.2)).prop_map(
        |((number, states, subjects, generation, observed), deleting, gone)| {
            let states: Vec<_> = states
                .into_iter()
                .map(|(cluster, state)| (["c0", "c1"][cluster], STATES[state]))
                .collect();
            let mut grant = grant(&format!("g{number}"), &subjects, &states);
            grant.metadata.generation = Some(generation);
            grant.status.as_mut().unwrap().observed_generation = Some(observed);
            if deleting && generation == 3 {
                let since = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOW);
                grant.metadata.deletion_timestamp = Some(since);
            }
            (number, (!gone).then_some(grant))
        },
    )
}

proptest! {
    /// However it came about, what is published is what the claims say, and no one counts whom no
    /// living grant names on a cluster where its status and the caps let it.
    #[test]
    fn standings_are_what_the_claims_come_to(
        changes in proptest::collection::vec((change(), proptest::option::weighted(0.3, any::<bool>())), 1..24),
    ) {
        let mut ledger = read();
        let mut hub = BTreeMap::new();
        let mut is_capped = false;
        for ((number, grant), cap) in changes {
            if let Some(cap) = cap {
                is_capped = cap;
                let caps = if cap { caps(&["edit"]) } else { Caps::default() };
                ledger.set_caps(caps, NOW);
            }
            let name = format!("g{number}");
            let reading = grant.as_ref().map(Reading::of);
            ledger.set(&name, reading, NOW, &mut Changed::new());
            match grant {
                Some(grant) => hub.insert(name, grant),
                None => hub.remove(&name),
            };
            let mut anew = read();
            for entry in ledger.grants.values() {
                for (cluster, claim) in &entry.claims {
                    anew.account(cluster, None, Some(claim), &mut Changed::new());
                }
            }
            for cluster in ["c0", "c1"] {
                for (user, groups) in CALLERS {
                    let is = decided(&ledger, user, groups, cluster);
                    let same = sorted(decided(&anew, user, groups, cluster));
                    prop_assert_eq!(sorted(is.clone()), same);
                    if let Ok(Acting::User { .. }) = is {
                        let who = OnHub::User(user.to_owned());
                        prop_assert!(!is_capped && hub.values().any(|grant| lets(grant, &who, cluster)));
                    }
                }
            }
        }
    }
}

/// 500 grants of four subjects each on 200 clusters: one group is in all of them.
fn large() -> Vec<AccessGrant> {
    let clusters: Vec<_> = (0..200).map(|it| format!("cluster-{it}")).collect();
    let states: Vec<_> = clusters.iter().map(|it| (it.as_str(), "Applied")).collect();
    let grants = (0..500).map(|number| {
        let own = ["user:u", "user:v", "group:g"].map(|it| format!("{it}{number}"));
        let subjects: Vec<_> = own
            .iter()
            .map(String::as_str)
            .chain(["group:all"])
            .collect();
        grant(&format!("grant-{number}"), &subjects, &states)
    });
    grants.collect()
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "it measures; the runner shows it on demand"
)]
fn one_change_among_500_grants_on_200_clusters_copies_what_it_names_and_nothing_else() {
    let grants = large();
    let mut ledger = read();
    let all: Vec<_> = grants
        .iter()
        .map(|it| (it.metadata.name.clone().unwrap(), Reading::of(it)))
        .collect();
    let begin = Instant::now();
    ledger.replace(all, NOW);
    println!("all 500 x 200: {:?}", begin.elapsed());
    let before = ledger.standings().clone();

    let mut changed = grants[7].clone();
    changed.spec.subjects.remove(0);
    changed.metadata.generation = Some(2);
    changed.status.as_mut().unwrap().observed_generation = Some(2);
    let begin = Instant::now();
    let mut changed_on = Changed::new();
    ledger.set("grant-7", Some(Reading::of(&changed)), NOW, &mut changed_on);
    let after = ledger.standings().clone();
    println!("one edit on 200 clusters: {:?}", begin.elapsed());

    let mut one = changed.clone();
    one.status.as_mut().unwrap().cluster_states.pop();
    let begin = Instant::now();
    ledger.set("grant-7", Some(Reading::of(&one)), NOW, &mut changed_on);
    let last = ledger.standings().clone();
    println!("one of its clusters: {:?}", begin.elapsed());

    assert_eq!(changed_on.len(), 200);
    assert_eq!(before.differing(&after), ["all", "g7", "u7", "v7"]);
    assert_eq!(after.differing(&last), ["all", "g7", "v7"]);
}
