//! Whom callers act as, case by case and for any caller at all.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::grants::{
    ledger::Ledger,
    reading::Reading,
    tests::{caller, grant, told},
};
use crds::gateway::AccessGrant;

fn standings(grants: &[AccessGrant], identities: &Identities) -> Standings {
    let mut ledger = Ledger::new(identities.prefix.clone());
    let all = grants.iter().map(|it| {
        let name = it.metadata.name.clone().unwrap();
        (name, Reading::of(it))
    });
    ledger.replace(all.collect(), Timestamp::UNIX_EPOCH);
    ledger.replace_used(["managed1".parse().unwrap()].into());
    ledger.is_unbounded();
    ledger.standings().clone()
}

const GRANTS: [&str; 7] = [
    "users", "groups", "late", "broken", "gateway", "crafted", "ended",
];

fn granted() -> Vec<AccessGrant> {
    let applied = [("managed1", "Applied"), ("managed2", "Pending")];
    let pending = [("managed1", "Pending/Bringing")];
    let failed = [("managed1", "Failed/RoleMissing")];
    let ended = [("managed1", "Expired"), ("managed4", "Expired")];
    let users = ["user:alice", "user:system:admin", "account:ci:bot"];
    let groups = ["group:dev", "group:system:masters", "group:ops"];
    let late = ["user:dave", "user:alice", "group:late"];
    let crafted = ["user:cluster:hub:system:admin", "group: system:masters"];
    vec![
        grant("users", &users, &applied),
        grant("groups", &groups, &applied),
        grant("late", &late, &pending),
        grant("broken", &["user:erin", "group:late"], &failed),
        grant("crafted", &crafted, &applied),
        grant("ended", &["user:grace", "user:alice", "group:late"], &ended),
    ]
}

fn decided(name: &str, groups: &[&str], cluster: &str) -> String {
    decided_by(&granted(), &Identities::default(), name, groups, cluster)
}

fn decided_by(
    grants: &[AccessGrant],
    identities: &Identities,
    name: &str,
    groups: &[&str],
    cluster: &str,
) -> String {
    let cluster = cluster.parse().unwrap();
    let standings = standings(grants, identities);
    told(
        decide(&caller(name, groups), &cluster, &standings, identities),
        &GRANTS,
    )
}

/// Whoever can have no name there is refused if a grant names it, and not taken for somebody whom no
/// grant names.
#[test]
fn a_user_whose_name_no_header_can_carry_does_not_act_as_the_account_if_it_is_named() {
    let identities = Identities {
        fallback: Fallback::Account,
        ..Identities::default()
    };
    let name = "a\nb";
    let user = format!("user:{name}");
    let applied = [("managed1", "Applied")];
    let pending = [("managed1", "Pending/Bringing")];
    let refused = "hub user \"a\\nb\" cannot act on managed clusters by an AccessGrant";
    for (subjects, states, wanted) in [
        (user.as_str(), applied, refused),
        ("group:dev", applied, refused),
        ("gateway", applied, refused),
        (user.as_str(), pending, "is pending there"),
        ("user:other", applied, "account"),
    ] {
        let grants = [grant("users", &[subjects], &states)];
        let said = decided_by(&grants, &identities, name, &["dev"], "managed1");
        assert!(said.contains(wanted), "{subjects}: {said}");
    }
}

#[test]
fn each_caller_is_itself_or_a_member_with_the_grants_that_count() {
    let bot = "system:serviceaccount:ci:bot";
    let table: &[(&str, &[&str], &str)] = &[
        ("alice", &["system:authenticated"], "hub:alice users"),
        (
            "alice",
            &["ops", "dev", "ops", "other"],
            "hub:alice users groups",
        ),
        ("bob", &["dev", "other"], "(bob) groups"),
        ("system:admin", &[], "hub:system:admin users"),
        (bot, &[], "hub:system:serviceaccount:ci:bot users"),
        ("dave", &["ops"], "(dave) groups"),
        ("root", &["system:masters"], "(root) groups"),
        (
            "cluster:hub:system:admin",
            &[],
            "hub:cluster:hub:system:admin crafted",
        ),
    ];
    for (name, groups, wanted) in table {
        assert_eq!(
            decided(name, groups, "managed1"),
            *wanted,
            "{name} {groups:?}"
        );
    }
}

#[test]
fn a_grant_to_everyone_adds_to_what_each_caller_has() {
    let mut grants = granted();
    let everyone = |state| grant("gateway", &["gateway"], &[("managed1", state)]);
    grants.push(everyone("Applied"));
    let identities = Identities::default();
    let decided = |grants: &[_], name, groups: &[&str]| {
        decided_by(grants, &identities, name, groups, "managed1")
    };
    assert_eq!(decided(&grants, "nobody", &[]), "(nobody) gateway");
    assert_eq!(
        decided(&grants, "alice", &["dev"]),
        "hub:alice users groups gateway"
    );
    // Who has nothing but an ended grant has no less than who never had one.
    assert_eq!(decided(&grants, "grace", &[]), "(grace) gateway");
    grants.pop();
    grants.push(everyone("Pending"));
    assert_eq!(decided(&grants, "alice", &[]), "hub:alice users");
    let nobody = decided(&grants, "nobody", &[]);
    assert!(
        nobody.contains("\"gateway\", which names you, is pending"),
        "{nobody}"
    );
}

#[test]
fn who_is_not_named_falls_back_as_configured_and_who_is_named_never_does() {
    let identities = |fallback| Identities {
        fallback,
        ..Identities::default()
    };
    let refused = "no AccessGrant names hub user \"nobody\" or one of its groups there";
    let table = [
        (Fallback::Auto, "managed1", refused),
        (Fallback::Auto, "managed3", "account"),
        (Fallback::Deny, "managed3", refused),
        (Fallback::Account, "managed1", "account"),
    ];
    for (fallback, cluster, wanted) in table {
        let identities = identities(fallback);
        let decided = |name| decided_by(&granted(), &identities, name, &["other"], cluster);
        assert_eq!(decided("nobody"), wanted, "{fallback:?} {cluster}");
    }
    let account = identities(Fallback::Account);
    let decided = |name, cluster| decided_by(&granted(), &account, name, &[], cluster);
    for name in ["dave", "erin", "grace"] {
        let said = decided(name, "managed1");
        assert!(said.contains("which names you"), "{said}");
    }
    assert_eq!(decided("grace", "managed3"), "account");
    assert!(decided("grace", "managed4").contains("has ended there"));
}

#[test]
fn who_has_nothing_but_what_does_not_hold_is_told_what_may_still_come() {
    let told =
        |grant: &str, state: &str| format!("AccessGrant {grant:?}, which names you, {state}");
    let pending = told(
        "late",
        "is pending there (since 1970-01-01T00:00:01Z): Bringing",
    );
    let failed = told(
        "broken",
        "is failing there (since 1970-01-01T00:00:01Z): RoleMissing",
    );
    let ended = told("ended", "has ended there (since 1970-01-01T00:00:01Z)");
    assert_eq!(decided("dave", &[], "managed1"), pending);
    assert_eq!(decided("erin", &[], "managed1"), failed);
    assert_eq!(decided("grace", &[], "managed1"), ended);
    assert_eq!(decided("erin", &["late"], "managed1"), pending);
    assert_eq!(decided("frank", &["late"], "managed1"), pending);
}

#[test]
fn without_a_prefix_users_keep_their_names_and_some_cannot_act() {
    let identities = Identities {
        prefix: "".parse().unwrap(),
        ..Identities::default()
    };
    let decided =
        |name, groups: &[&str]| decided_by(&granted(), &identities, name, groups, "managed1");
    assert_eq!(decided("alice", &[]), "alice users");
    assert_eq!(
        decided("system:admin", &[]),
        "cluster:hub:system:admin users"
    );
    let unfit = decided("cluster:hub:system:admin", &["dev"]);
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
        prefix in prop_oneof![Just("hub:"), Just("")],
        name in name(),
        groups in proptest::collection::vec(name(), 0..6),
    ) {
        let subjects: Vec<_> = granted.iter().map(String::as_str).collect();
        let grant = grant("g", &subjects, &[("managed1", "Applied")]);
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        let caller = caller(&name, &groups);
        let identities = Identities {
            prefix: prefix.parse().unwrap(),
            ..Identities::default()
        };
        let standings = standings(std::slice::from_ref(&grant), &identities);
        let on_cluster = identities.prefix.on_cluster(&name);
        let is_named = granted.contains(&format!("user:{name}"));
        let is_member = groups.iter().any(|it| granted.contains(&format!("group:{it}")));
        match decide(&caller, &"managed1".parse().unwrap(), &standings, &identities) {
            Ok(Acting::User { user, groups }) => {
                prop_assert!(is_named);
                prop_assert_eq!(Some(user.as_bytes()), on_cluster.as_deref().map(str::as_bytes));
                prop_assert!(!user.as_bytes().starts_with(b"system:"));
                prop_assert_eq!(groups, [grant.group()]);
            }
            Ok(Acting::Member { groups, .. }) => {
                prop_assert!(is_member);
                prop_assert_eq!(groups, [grant.group()]);
            }
            Ok(Acting::Account) => prop_assert!(false, "a grant was used there"),
            Err(Denied::NoGrant { .. }) => {
                let unfit = on_cluster.and_then(|it| header_value(&it)).is_none();
                prop_assert!(!is_member && (!is_named || unfit));
            }
            Err(denied) => {
                prop_assert!(on_cluster.is_none() || header_value(&name).is_none(), "{denied}");
            }
        }
    }
}
