//! The rights that a grant gives, and how another version of it would change them. Pure.

use std::collections::BTreeSet;

use crds::gateway::AccessGrant;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::{fleet::Fleet, subject, wording};

/// One right of a subject on a cluster, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    cluster: String,
    subject: String,
    what: String,
}

/// One line for each right that would be removed or added. `None` if the spec would not change.
pub(super) fn change(
    before: Option<&AccessGrant>,
    wanted: &AccessGrant,
    fleet: &Fleet,
    now: Timestamp,
) -> Option<String> {
    if before.is_some_and(|it| it.spec == wanted.spec) {
        return None;
    }
    // The duration of a grant counts from its creation, which an update does not change.
    let mut after = wanted.clone();
    let begin = before.and_then(ResourceExt::creation_timestamp);
    after.metadata.creation_timestamp = Some(begin.unwrap_or(Time(now)));
    after.metadata.deletion_timestamp =
        before.and_then(|it| it.metadata.deletion_timestamp.clone());
    let have = before.map_or_else(BTreeSet::new, |it| rights(it, fleet, now));
    let want = rights(&after, fleet, now);
    let gone = have.difference(&want).map(|right| (right, '-'));
    let new = want.difference(&have).map(|right| (right, '+'));
    let mut lines: Vec<_> = gone.chain(new).collect();
    lines.sort_by_key(|(right, sign)| (&right.cluster, &right.subject, *sign == '+', &right.what));
    let head = match (before, lines.is_empty()) {
        (None, false) => "would be created",
        (None, true) => "would be created, but it selects no cluster yet",
        (Some(_), false) => "would change",
        (Some(_), true) => "would change, but nobody's rights would change",
    };
    let lines = lines.into_iter().map(|(right, sign)| {
        let Right {
            cluster,
            subject,
            what,
        } = right;
        let unknown = match fleet.labels(cluster) {
            Some(_) => "",
            None => " (the hub has no such cluster)",
        };
        format!("{sign} {cluster}{unknown}: {subject}: {what}\n")
    });
    let lines: String = lines.collect();
    Some(format!("AccessGrant {} {head}\n{lines}", wanted.name_any()))
}

/// All rights that a grant gives.
fn rights(grant: &AccessGrant, fleet: &Fleet, now: Timestamp) -> BTreeSet<Right> {
    if grant.is_over(now) {
        return BTreeSet::new();
    }
    let role = wording::role_in_full(&grant.spec.role);
    let place = wording::namespaces(grant.spec.namespaces.as_ref());
    let until = grant
        .expires_at()
        .map_or_else(String::new, |end| format!(", until {end:.0}"));
    let what = format!("{role}, {place}{until}");
    let clusters = fleet.chosen(&grant.spec.clusters);
    let rights = clusters.iter().flat_map(|cluster| {
        grant.spec.subjects.iter().map(|subject| Right {
            cluster: cluster.clone(),
            subject: subject::word(subject),
            what: what.clone(),
        })
    });
    rights.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fleet::tests::fleet;

    fn grant(more: &Value) -> AccessGrant {
        let mut grant = json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
            "metadata": {"name": "g"},
            "spec": {
                "clusters": {"names": ["a", "b"]},
                "subjects": [{"kind": "User", "name": "alice"}],
                "role": {"clusterRole": "view"},
            },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            grant["spec"][field] = value.clone();
        }
        serde_json::from_value(grant).unwrap()
    }

    /// A grant as the hub stores it.
    fn stored(more: &Value) -> AccessGrant {
        let mut grant = grant(more);
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        grant.metadata.creation_timestamp = Some(Time(begin));
        grant.metadata.generation = Some(3);
        grant
    }

    fn said(before: Option<&AccessGrant>, wanted: &Value) -> Option<String> {
        let fleet = fleet(&[("a", "prod"), ("b", "test"), ("c", "prod")]);
        let now = "2026-01-01T04:00:00Z".parse().unwrap();
        change(before, &grant(wanted), &fleet, now)
    }

    #[test]
    fn what_is_the_same_is_not_said() {
        assert_eq!(said(Some(&stored(&json!({}))), &json!({})), None);
        let spelled_out = json!({"subjects": [{"name": "alice"}]});
        assert_eq!(said(Some(&stored(&json!({}))), &spelled_out), None);
    }

    #[test]
    fn a_new_grant_gives_all_that_it_says() {
        let wanted = json!({
            "clusters": {"names": ["z"], "selector": {"matchLabels": {"env": "test"}}},
            "namespaces": {"names": ["till", "shop"], "create": true},
            "expiresAfter": "8h",
        });
        assert_eq!(
            said(None, &wanted).unwrap(),
            "AccessGrant g would be created\n\
             + b: user:alice: view, in shop,till, created if missing, until 2026-01-01T12:00:00Z\n\
             + z (the hub has no such cluster): user:alice: view, in shop,till, created if missing, until \
             2026-01-01T12:00:00Z\n"
        );
        let none = json!({"clusters": {"selector": {"matchLabels": {"env": "none"}}}});
        assert_eq!(
            said(None, &none).unwrap(),
            "AccessGrant g would be created, but it selects no cluster yet\n"
        );
    }

    #[test]
    fn clusters_subjects_and_roles_come_and_go() {
        let before = stored(&json!({}));
        let other_clusters = json!({"clusters": {"selector": {"matchLabels": {"env": "prod"}}}});
        assert_eq!(
            said(Some(&before), &other_clusters).unwrap(),
            "AccessGrant g would change\n\
             - b: user:alice: view, everywhere\n\
             + c: user:alice: view, everywhere\n"
        );
        let another =
            json!({"clusters": {"names": ["a"]}, "subjects": [{"kind": "Group", "name": "team"}]});
        assert_eq!(
            said(Some(&before), &another).unwrap(),
            "AccessGrant g would change\n\
             + a: group:team: view, everywhere\n\
             - a: user:alice: view, everywhere\n\
             - b: user:alice: view, everywhere\n"
        );
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        let role = json!({"clusters": {"names": ["b", "a"]}, "role": {"rules": rules}});
        assert_eq!(
            said(Some(&before), &role).unwrap(),
            "AccessGrant g would change\n\
             - a: user:alice: view, everywhere\n\
             + a: user:alice: get pods, everywhere\n\
             - b: user:alice: view, everywhere\n\
             + b: user:alice: get pods, everywhere\n"
        );
        let order = json!({"clusters": {"names": ["b", "a"]}});
        assert_eq!(
            said(Some(&before), &order).unwrap(),
            "AccessGrant g would change, but nobody's rights would change\n"
        );
    }

    #[test]
    fn a_grant_lasts_from_when_the_hub_has_it() {
        let ended = stored(&json!({"expiresAfter": "1h"}));
        assert_eq!(
            said(Some(&ended), &json!({"expiresAfter": "5h"})).unwrap(),
            "AccessGrant g would change\n\
             + a: user:alice: view, everywhere, until 2026-01-01T05:00:00Z\n\
             + b: user:alice: view, everywhere, until 2026-01-01T05:00:00Z\n"
        );
        let gone = said(Some(&stored(&json!({}))), &json!({"expiresAfter": "2h"})).unwrap();
        assert_eq!(gone.lines().filter(|line| line.starts_with('-')).count(), 2);
        assert!(!gone.contains('+'), "{gone}");
    }
}
