//! Finds who may do something, from grants and the rules of their roles. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crds::gateway::{AccessGrant, GrantState};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::ResourceExt as _;
use serde::Serialize;

use super::question::Question;
use crate::{
    fleet::Fleet,
    roles::{Role, RoleOf},
    subject, wording,
};

/// A grant on a cluster that answers the question if its role allows it.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    grant: &'a AccessGrant,
    cluster: String,
}

/// One subject that may do it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    cluster: String,
    subject: String,
    grant: String,
    role: String,
    /// `None` for the whole cluster.
    namespaces: Option<Vec<String>>,
    /// The names of the only objects that it may be done to. Empty stands for all objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    state: GrantState,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    until: Option<Timestamp>,
}

/// All rows, and notes about what is uncertain.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) notes: BTreeSet<String>,
}

/// What rules answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    No,
    /// Yes, but only for objects of these names.
    Named(BTreeSet<String>),
    Yes,
}

/// The grants on those clusters whose namespaces fit the question.
pub(super) fn candidates<'a>(
    grants: &'a [AccessGrant],
    fleet: &Fleet,
    clusters: &BTreeSet<String>,
    question: &Question,
) -> Vec<Candidate<'a>> {
    let fitting = grants.iter().filter(|grant| reaches(grant, question));
    let candidates = fitting.flat_map(|grant| {
        let chosen = fleet.chosen(&grant.spec.clusters);
        let asked = chosen.into_iter().filter(|it| clusters.contains(it));
        asked.map(move |cluster| Candidate { grant, cluster })
    });
    candidates.collect()
}

/// True if the grant covers a place that the question asks about. A grant within namespaces does
/// not cover cluster-scoped objects, except the namespaces themselves by name.
fn reaches(grant: &AccessGrant, question: &Question) -> bool {
    let Some(namespaces) = &grant.spec.namespaces else {
        return true;
    };
    let by_name = ["get", "update", "patch", "delete"].contains(&question.verb.as_str());
    let is_inside = question.is_namespaced
        || (question.resource == "namespaces" && question.group.is_empty() && by_name);
    let asked = question.namespace.as_ref();
    is_inside && asked.is_none_or(|it| namespaces.names.contains(it))
}

/// The rows, sorted by cluster, subject and grant.
pub(super) fn of(
    candidates: &[Candidate<'_>],
    roles: &BTreeMap<RoleOf, Role>,
    question: &Question,
) -> Answer {
    let mut answer = Answer::default();
    for candidate in candidates {
        let verdict = match candidate.cluster_role() {
            None => {
                let own = candidate.grant.spec.role.rules.as_deref();
                verdict(own.unwrap_or_default(), question)
            }
            Some(of) => {
                let role = roles.get(&of);
                answer.notes.extend(role.and_then(|it| note(&of, it)));
                match role {
                    Some(Role::Read(found) | Role::Hubs(found, _)) => verdict(found, question),
                    Some(Role::Absent | Role::Unknown(_)) | None => Verdict::No,
                }
            }
        };
        answer.rows.extend(candidate.rows(&verdict));
    }
    answer.rows.sort_by(|one, other| {
        (&one.cluster, &one.subject, &one.grant).cmp(&(
            &other.cluster,
            &other.subject,
            &other.grant,
        ))
    });
    answer
}

fn note((cluster, name): &RoleOf, role: &Role) -> Option<String> {
    match role {
        Role::Read(_) => None,
        Role::Hubs(_, why) => Some(format!(
            "{cluster}: cannot read its ClusterRole {name}, so the answer is based on the ClusterRole of the hub: {why}"
        )),
        Role::Absent => Some(format!(
            "{cluster}: ClusterRole {name} does not exist, so grants of it give no rights there"
        )),
        Role::Unknown(why) => Some(format!(
            "{cluster}: cannot read ClusterRole {name}, so it is unknown what grants of it allow: {why}"
        )),
    }
}

fn verdict(rules: &[PolicyRule], question: &Question) -> Verdict {
    let mut names = BTreeSet::new();
    for rule in rules.iter().filter(|rule| is_about(rule, question)) {
        match rule.resource_names.as_deref().unwrap_or_default() {
            [] => return Verdict::Yes,
            // Rules with names do not match these requests, because they do not name an object.
            _ if question.subresource.is_none()
                && ["create", "deletecollection"].contains(&question.verb.as_str()) => {}
            some => names.extend(some.iter().cloned()),
        }
    }
    if names.is_empty() {
        Verdict::No
    } else {
        Verdict::Named(names)
    }
}

/// Matches a rule in the same way as RBAC.
fn is_about(rule: &PolicyRule, question: &Question) -> bool {
    let any = |words: &[String], word: &str| words.iter().any(|it| it == "*" || it == word);
    let resources = rule.resources.as_deref().unwrap_or_default();
    let resource = match &question.subresource {
        None => any(resources, &question.resource),
        Some(subresource) => {
            any(resources, &format!("{}/{subresource}", question.resource))
                || resources.contains(&format!("*/{subresource}"))
        }
    };
    resource
        && any(&rule.verbs, &question.verb)
        && any(
            rule.api_groups.as_deref().unwrap_or_default(),
            &question.group,
        )
}

impl Candidate<'_> {
    /// The cluster and its role that is granted. `None` if the grant has rules of its own.
    pub(super) fn cluster_role(&self) -> Option<RoleOf> {
        let name = self.grant.spec.role.cluster_role.clone()?;
        Some((self.cluster.clone(), name))
    }

    fn rows(&self, verdict: &Verdict) -> Vec<Row> {
        let names = match verdict {
            Verdict::No => return Vec::new(),
            Verdict::Named(names) => names.iter().cloned().collect(),
            Verdict::Yes => Vec::new(),
        };
        let (state, reason) = self.state();
        let row = |subject| Row {
            cluster: self.cluster.clone(),
            subject,
            grant: self.grant.name_any(),
            role: wording::role(&self.grant.spec.role).to_owned(),
            namespaces: self
                .grant
                .spec
                .namespaces
                .as_ref()
                .map(|it| it.names.clone()),
            names: names.clone(),
            state,
            reason: reason.clone(),
            until: self.grant.expires_at(),
        };
        let subjects = self.grant.spec.subjects.iter().map(subject::word);
        subjects.map(row).collect()
    }

    /// The state from the grant's status, if that is about the current spec.
    fn state(&self) -> (GrantState, String) {
        let said = self
            .grant
            .status
            .iter()
            .filter(|it| it.observed_generation == self.grant.metadata.generation)
            .flat_map(|it| &it.cluster_states)
            .find(|it| it.name == self.cluster);
        said.map_or((GrantState::Pending, String::new()), |it| {
            (it.state, it.reason.clone())
        })
    }
}

impl Row {
    /// The cells of the row in a table.
    pub(super) fn cells(&self) -> Vec<String> {
        let namespaces = self.namespaces.as_ref();
        let mut place = namespaces.map_or_else(|| "everywhere".to_owned(), |it| it.join(","));
        if !self.names.is_empty() {
            place = format!("{place} (only {})", self.names.join(","));
        }
        let state = match self.reason.as_str() {
            "" => format!("{:?}", self.state),
            reason => format!("{:?} ({reason})", self.state),
        };
        let until = self.until.map(|end| format!("{end:.0}"));
        vec![
            self.cluster.clone(),
            self.subject.clone(),
            self.grant.clone(),
            self.role.clone(),
            place,
            state,
            until.unwrap_or_else(|| "-".to_owned()),
        ]
    }
}

#[cfg(test)]
mod tests;
