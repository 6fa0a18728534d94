//! Whether the subjects of a grant may use the gateway at all, which the hub's RBAC decides. A grant
//! gives no right on the hub.

use crds::{
    cluster_core,
    gateway::{AccessGrant, Subject, SubjectKind},
};
use k8s_openapi::{
    api::{
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
        rbac::v1::{ClusterRoleBinding, RoleRef, Subject as BoundSubject},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, ResourceExt as _, api::PostParams};

use super::GrantError;
use crate::{
    hub::{Hub, HubError, unanswered},
    subject, voice,
};

const RBAC: &str = "rbac.authorization.k8s.io";
/// The shipped role for those who use the gateway.
const ROLE: &str = "spokeway-user";
/// For how many clusters the hub is asked about each subject.
const ASKED: usize = 4;

/// Says which subjects lack the right, or gives it to them.
pub(super) async fn look(hub: &Hub, grant: &AccessGrant, bind: bool) -> Result<(), GrantError> {
    let mut lacking = Vec::new();
    for subject in &grant.spec.subjects {
        match lacks(hub, subject, &grant.spec.clusters.names).await {
            Ok(Some(cluster)) => lacking.push((subject, cluster)),
            Ok(None) => {}
            Err(error) if error.is_unreadable() => {
                let why =
                    format!("it is not known whether the subjects may use the gateway: {error}");
                voice::note(&why);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    if bind && !lacking.is_empty() {
        let subjects = lacking.iter().map(|(subject, _)| *subject);
        return bound(hub, &grant.name_any(), subjects).await;
    }
    for (subject, cluster) in lacking {
        voice::note(&advice(subject, &cluster));
    }
    Ok(())
}

/// A cluster for which the subject may not use the gateway, in words. Groups of a user are not known.
async fn lacks(hub: &Hub, subject: &Subject, names: &[String]) -> Result<Option<String>, HubError> {
    if subject.kind == SubjectKind::Gateway {
        return Ok(None);
    }
    let api = Api::<SubjectAccessReview>::all(hub.client.clone());
    let all = [None];
    let chosen: Vec<_> = names.iter().take(ASKED).map(Some).collect();
    let asked = if chosen.is_empty() {
        &all[..]
    } else {
        &chosen[..]
    };
    for name in asked {
        let review = review(subject, name.map(String::as_str));
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(unanswered)?.status;
        if !status.is_some_and(|status| status.allowed) {
            let cluster = name.map_or("every cluster", String::as_str);
            return Ok(Some(cluster.to_owned()));
        }
    }
    Ok(None)
}

fn review(subject: &Subject, cluster: Option<&str>) -> SubjectAccessReview {
    let Subject {
        kind,
        name,
        namespace,
    } = subject;
    let authenticated = "system:authenticated".to_owned();
    let (user, groups) = match kind {
        SubjectKind::User => (Some(name.clone()), vec![authenticated]),
        SubjectKind::Group => (None, vec![name.clone(), authenticated]),
        SubjectKind::ServiceAccount | SubjectKind::Gateway => {
            let all = "system:serviceaccounts".to_owned();
            let own = format!("{all}:{namespace}");
            let user = format!("system:serviceaccount:{namespace}:{name}");
            (Some(user), vec![all, own, authenticated])
        }
    };
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user,
            groups: Some(groups),
            resource_attributes: Some(ResourceAttributes {
                group: Some(cluster_core::GROUP.to_owned()),
                resource: Some("clustergateways".to_owned()),
                subresource: Some("proxy".to_owned()),
                verb: Some("get".to_owned()),
                name: cluster.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

fn advice(subject: &Subject, cluster: &str) -> String {
    let Subject {
        kind,
        name,
        namespace,
    } = subject;
    let (flag, unless) = match kind {
        SubjectKind::User => (format!("--user={name}"), ", unless by one of its groups"),
        SubjectKind::Group => (format!("--group={name}"), ""),
        SubjectKind::ServiceAccount | SubjectKind::Gateway => {
            (format!("--serviceaccount={namespace}:{name}"), "")
        }
    };
    let word = subject::word(subject);
    format!(
        "{word} may not use the gateway for {cluster} yet{unless}, so the grant is of no use to it: bind the ClusterRole \
         {ROLE} to it on the hub, with --bind next time or now with: kubectl create clusterrolebinding NAME \
         --clusterrole={ROLE} {flag}"
    )
}

async fn bound<'a>(
    hub: &Hub,
    grant: &str,
    subjects: impl Iterator<Item = &'a Subject>,
) -> Result<(), GrantError> {
    let binding = binding(grant, subjects);
    let name = binding.name_any();
    let api = Api::<ClusterRoleBinding>::all(hub.client.clone());
    match api
        .create(&PostParams::default(), &binding)
        .await
        .map_err(unanswered)
    {
        Ok(_) => voice::say(&format!("clusterrolebinding/{name} created\n"))?,
        Err(HubError::Refused { code: 409, .. }) => {
            voice::note(&format!(
                "ClusterRoleBinding {name} exists already, and is not changed"
            ));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn binding<'a>(grant: &str, subjects: impl Iterator<Item = &'a Subject>) -> ClusterRoleBinding {
    let subjects = subjects.map(
        |Subject {
             kind,
             name,
             namespace,
         }| {
            let is_account = *kind == SubjectKind::ServiceAccount;
            let kind = match kind {
                SubjectKind::User => "User",
                SubjectKind::Group => "Group",
                SubjectKind::ServiceAccount | SubjectKind::Gateway => "ServiceAccount",
            };
            BoundSubject {
                api_group: (!is_account).then(|| RBAC.to_owned()),
                kind: kind.to_owned(),
                name: name.clone(),
                namespace: is_account.then(|| namespace.clone()),
            }
        },
    );
    ClusterRoleBinding {
        metadata: ObjectMeta {
            name: Some(format!("{ROLE}-{grant}")),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: RBAC.to_owned(),
            kind: "ClusterRole".to_owned(),
            name: ROLE.to_owned(),
        },
        subjects: Some(subjects.collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hub_is_asked_about_each_kind_of_subject_and_told_how_to_bind_it() {
        for (word, user, groups, flag) in [
            (
                "user:alice",
                json!("alice"),
                json!(["system:authenticated"]),
                "--user=alice",
            ),
            (
                "group:shop",
                json!(null),
                json!(["shop", "system:authenticated"]),
                "--group=shop",
            ),
            (
                "sa:ci/bot",
                json!("system:serviceaccount:ci:bot"),
                json!([
                    "system:serviceaccounts",
                    "system:serviceaccounts:ci",
                    "system:authenticated"
                ]),
                "--serviceaccount=ci:bot",
            ),
        ] {
            let subject = subject::parse(word).unwrap();
            let asked = serde_json::to_value(review(&subject, Some("managed1"))).unwrap();
            assert_eq!(
                (&asked["spec"]["user"], &asked["spec"]["groups"]),
                (&user, &groups)
            );
            assert_eq!(asked["spec"]["resourceAttributes"]["name"], "managed1");
            let said = advice(&subject, "managed1");
            assert!(
                said.ends_with(flag) && said.contains("spokeway-user"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_binding_names_exactly_the_subjects() {
        let subjects = ["user:alice", "sa:ci/bot"].map(|it| subject::parse(it).unwrap());
        let made = serde_json::to_value(binding("alice-view", subjects.iter())).unwrap();
        assert_eq!(made["metadata"]["name"], "spokeway-user-alice-view");
        assert_eq!(
            made["subjects"],
            json!([
                {"apiGroup": RBAC, "kind": "User", "name": "alice"},
                {"kind": "ServiceAccount", "name": "bot", "namespace": "ci"},
            ])
        );
    }
}
