//! Whom callers act as, case by case and for any caller at all.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::grants::{
    ledger::Ledger,
    reading::Reading,
    tests::{caller, grant, told},
};
use crds::gateway::AccessGrant;

fn standings(grants: &[AccessGrant]) -> Standings {
    let mut ledger = Ledger::default();
    let all = grants.iter().map(|it| {
        let name = it.metadata.name.clone().unwrap();
        (name, Reading::of(it))
    });
    ledger.replace(all.collect(), Timestamp::UNIX_EPOCH);
    ledger.standings().clone()
}

fn granted() -> Standings {
    let applied = [("managed1", "Applied"), ("managed2", "Pending")];
    let pending = [("managed1", "Pending/Bringing")];
    let failed = [("managed1", "Failed/RoleMissing")];
    let users = ["user:alice", "user:system:admin", "account:ci:bot"];
    let groups = ["group:dev", "group:system:masters", "group:ops"];
    let late = ["user:dave", "user:alice", "group:late"];
    let crafted = ["user:cluster:hub:system:admin", "group: system:masters"];
    standings(&[
        grant("users", &users, &applied),
        grant("groups", &groups, &applied),
        grant("late", &late, &pending),
        grant("broken", &["user:erin", "group:late"], &failed),
        grant("gateway", &["gateway"], &applied),
        grant("crafted", &crafted, &applied),
    ])
}

fn decided(name: &str, groups: &[&str], cluster: &str) -> String {
    let cluster = cluster.parse().unwrap();
    told(decide(&caller(name, groups), &cluster, &granted()))
}

#[test]
fn each_caller_is_itself_a_member_or_the_account() {
    let bot = "system:serviceaccount:ci:bot";
    let forged = ["cluster:hub:system:masters", " system:masters"];
    let table: &[(&str, &[&str], &str)] = &[
        ("alice", &["system:authenticated"], "alice"),
        ("alice", &["ops", "dev", "ops", "other"], "alice ops dev"),
        ("bob", &["dev", "other"], "(bob) dev"),
        ("system:admin", &[], "cluster:hub:system:admin"),
        (bot, &[], "cluster:hub:system:serviceaccount:ci:bot"),
        ("nobody", &["system:authenticated", "other"], "account"),
        ("dave", &["ops"], "(dave) ops"),
        ("frank", &forged, "account"),
        ("dev", &["alice"], "account"),
    ];
    for (name, groups, wanted) in table {
        assert_eq!(
            decided(name, groups, "managed1"),
            *wanted,
            "{name} {groups:?}"
        );
    }
    let root = decided("root", &["system:masters"], "managed1");
    assert_eq!(root, "(root) cluster:hub:system:masters");
    assert_eq!(decided("alice", &["dev"], "managed3"), "account");
}

#[test]
fn who_has_nothing_but_what_does_not_hold_is_told_what_may_still_come() {
    let named = "which names you,";
    let pending = format!(
        "AccessGrant \"late\", {named} is pending there (since 1970-01-01T00:00:01Z): Bringing"
    );
    let failed = format!(
        "AccessGrant \"broken\", {named} is failing there (since 1970-01-01T00:00:01Z): RoleMissing"
    );
    assert_eq!(decided("dave", &[], "managed1"), pending);
    assert_eq!(decided("erin", &[], "managed1"), failed);
    assert_eq!(decided("erin", &["late"], "managed1"), pending);
    assert_eq!(decided("frank", &["late"], "managed1"), pending);
    let unfit = decided("cluster:hub:system:admin", &["dev"], "managed1");
    assert!(
        unfit.contains("names that begin with cluster:hub:"),
        "{unfit}"
    );
}

/// Names of the hub, and such as want to be more.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]",
        Just("system:masters".to_owned()),
        Just("system:admin".to_owned()),
        Just(" system:masters".to_owned()),
        Just("system:masters ".to_owned()),
        Just("cluster:hub:system:masters".to_owned()),
        Just("cluster:hub:group-member".to_owned()),
        Just("system:serviceaccount:ci:bot".to_owned()),
        ".{0,12}",
    ]
}

fn subject() -> impl Strategy<Value = String> {
    (prop_oneof![Just("user"), Just("group")], name())
        .prop_map(|(kind, name)| format!("{kind}:{name}"))
}

proptest! {
    #[test]
    fn no_caller_is_more_than_it_is_and_was_granted(
        granted in proptest::collection::vec(subject(), 0..6),
        name in name(),
        groups in proptest::collection::vec(name(), 0..6),
    ) {
        let subjects: Vec<_> = granted.iter().map(String::as_str).collect();
        let standings = standings(&[grant("g", &subjects, &[("managed1", "Applied")])]);
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        let caller = caller(&name, &groups);
        let (user, members) = match decide(&caller, &"managed1".parse().unwrap(), &standings) {
            Ok(Acting::User { user, groups }) => (Some(user), groups),
            Ok(Acting::Member { groups, .. }) => (None, groups),
            Ok(Acting::Account) => (None, Vec::new()),
            Err(denied) => {
                let fit = HeaderValue::from_bytes(name.as_bytes()).is_ok();
                prop_assert!(name.starts_with("cluster:hub:") || !fit, "{denied}");
                return Ok(());
            }
        };
        let on_cluster = |name: &str| crds::gateway::on_cluster(name).into_owned().into_bytes();
        if let Some(user) = &user {
            prop_assert_eq!(user.value.as_bytes(), on_cluster(&name));
            let wanted = format!("user:{name}");
            prop_assert!(granted.contains(&wanted));
        }
        let mut seen = BTreeSet::new();
        for group in &members {
            let value = group.value.as_bytes().to_vec();
            let is_granted = |it: &&str| granted.contains(&format!("group:{it}"));
            let mut own = groups.iter().filter(|it| on_cluster(it) == value);
            prop_assert!(own.any(is_granted));
            prop_assert!(seen.insert(value));
        }
        for said in user.iter().chain(&members) {
            let said = String::from_utf8_lossy(said.value.as_bytes()).into_owned();
            prop_assert!(!said.trim().starts_with("system:"), "{:?}", said);
        }
    }
}
