//! Callers may do exactly what grants say on clusters. Random sets of grants are compared with the
//! clusters' own answers through the gateway.

use std::time::Duration;

use e2e::{Cluster, Credentials};
use http::Request;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{
    grants::stage,
    hub::{soon, tell},
    stage::Stage,
};

const CLUSTERS: [&str; 2] = ["managed1", "managed2"];
const ROUNDS: usize = 6;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Subject {
    Alice,
    Devs,
    Bot,
    Gateway,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    View,
    Edit,
    ClusterAdmin,
    Rules,
}

#[derive(Clone, Debug)]
struct Grant {
    subjects: Vec<Subject>,
    role: Role,
    /// Only in namespace a.
    is_bounded: bool,
    clusters: Vec<&'static str>,
}

/// A verb, a resource, its group and a namespace, which is `None` for the whole cluster.
type Question = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const QUESTIONS: [Question; 9] = [
    ("get", "configmaps", "", Some("a")),
    ("get", "configmaps", "", Some("b")),
    ("get", "secrets", "", Some("a")),
    ("create", "configmaps", "", Some("a")),
    ("create", "configmaps", "", Some("b")),
    (
        "create",
        "rolebindings",
        "rbac.authorization.k8s.io",
        Some("a"),
    ),
    ("get", "pods", "", Some("a")),
    ("get", "pods", "", None),
    ("delete", "nodes", "", None),
];

fn grant() -> impl Strategy<Value = Grant> {
    let subject = prop_oneof![
        3 => Just(Subject::Alice), 3 => Just(Subject::Devs), 3 => Just(Subject::Bot), 1 => Just(Subject::Gateway),
    ];
    let role = prop_oneof![
        Just(Role::View),
        Just(Role::Edit),
        Just(Role::ClusterAdmin),
        Just(Role::Rules),
    ];
    let clusters = prop_oneof![
        Just(vec!["managed1"]),
        Just(vec!["managed2"]),
        Just(CLUSTERS.to_vec()),
    ];
    let subjects = proptest::collection::vec(subject, 1..3);
    (subjects, role, any::<bool>(), clusters).prop_map(|(subjects, role, is_bounded, clusters)| {
        Grant {
            subjects,
            role,
            is_bounded,
            clusters,
        }
    })
}

impl Grant {
    fn manifest(&self, name: &str) -> Value {
        let subjects = self.subjects.iter().map(|subject| match subject {
            Subject::Alice => json!({"kind": "User", "name": "alice"}),
            Subject::Devs => json!({"kind": "Group", "name": "devs"}),
            Subject::Bot => json!({"kind": "ServiceAccount", "namespace": "ci", "name": "bot"}),
            Subject::Gateway => json!({"kind": "Gateway"}),
        });
        let role = match self.role {
            Role::View => json!({"clusterRole": "view"}),
            Role::Edit => json!({"clusterRole": "edit"}),
            Role::ClusterAdmin => json!({"clusterRole": "cluster-admin"}),
            Role::Rules => {
                json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]})
            }
        };
        let mut spec = json!({
            "clusters": {"names": self.clusters}, "role": role,
            "subjects": subjects.collect::<Vec<_>>(),
        });
        if self.is_bounded {
            spec["namespaces"] = json!({"names": ["a"], "create": true});
        }
        json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
            "metadata": {"name": name}, "spec": spec,
        })
    }

    fn allows(&self, (verb, resource, _, namespace): Question) -> bool {
        if self.is_bounded && namespace != Some("a") {
            return false;
        }
        let reads = verb == "get" && ["configmaps", "pods"].contains(&resource);
        match self.role {
            Role::View => reads,
            Role::Edit => reads || ["secrets", "configmaps"].contains(&resource),
            Role::ClusterAdmin => true,
            Role::Rules => verb == "get" && resource == "pods",
        }
    }
}

/// The rights according to the grants: those that name the user, and those that everybody has.
fn expected(grants: &[Grant], who: Option<Subject>, cluster: &str, question: Question) -> bool {
    let is_named = |grant: &Grant| {
        let mut subjects = grant.subjects.iter();
        subjects.any(|it| *it == Subject::Gateway || Some(*it) == who)
    };
    let mut there = grants.iter().filter(|it| it.clusters.contains(&cluster));
    there.any(|grant| is_named(grant) && grant.allows(question))
}

#[tokio::test]
async fn what_callers_may_do_is_what_grants_say() {
    let stage = stage(&CLUSTERS).await;
    let callers = callers(stage.hub()).await;
    let mut runner = TestRunner::deterministic();
    let sets = proptest::collection::vec(grant(), 2..7);
    let mut asked = 0;
    for round in 0..ROUNDS {
        let grants = sets.new_tree(&mut runner).unwrap().current();
        put(&stage, round, &grants).await;
        for (who, client) in &callers {
            for cluster in CLUSTERS {
                for question in QUESTIONS {
                    let wanted = expected(&grants, *who, cluster, question);
                    let same = || async {
                        let may = ask(client, cluster, question).await?;
                        if may == wanted {
                            Ok(())
                        } else {
                            Err(format!("{may}, and not {wanted}"))
                        }
                    };
                    let what = format!("{who:?} {question:?} on {cluster} by {grants:#?}");
                    soon(&what, same).await;
                    asked += 1;
                }
            }
        }
    }
    tell(&format!("{asked} questions on {ROUNDS} sets of grants"));
}

/// Alice, a member of the group devs, a `ServiceAccount`, and a user whom no grant names.
async fn callers(hub: &Cluster) -> Vec<(Option<Subject>, Client)> {
    let hours = Duration::from_hours(1);
    let token = hub.service_account_token("ci", "bot", hours).await.unwrap();
    vec![
        (
            Some(Subject::Alice),
            hub.client_as("alice", &["staff"]).unwrap(),
        ),
        (
            Some(Subject::Devs),
            hub.client_as("bob", &["devs", "staff"]).unwrap(),
        ),
        (
            Some(Subject::Bot),
            hub.client_with(&Credentials::Token(token)),
        ),
        (None, hub.client_as("carol", &["staff"]).unwrap()),
    ]
}

/// Replaces the grants of the previous round with these, and waits until the clusters have them.
async fn put(stage: &Stage, round: usize, grants: &[Grant]) {
    stage
        .kubectl(&["delete", "accessgrants", "--all", "--timeout=30s"])
        .await
        .unwrap();
    for (index, grant) in grants.iter().enumerate() {
        let name = format!("round{round}-{index}");
        stage.apply(&grant.manifest(&name).to_string()).await;
    }
    let applied = || async {
        let get = [
            "get",
            "accessgrants",
            "-o",
            "jsonpath={.items[*].status.conditions[0].reason}",
        ];
        let reasons = stage.kubectl(&get).await?;
        let count = reasons
            .split_whitespace()
            .filter(|reason| *reason == "Applied")
            .count();
        if count == grants.len() {
            Ok(())
        } else {
            Err(reasons)
        }
    };
    soon("all grants hold", applied).await;
}

async fn ask(client: &Client, cluster: &str, question: Question) -> Result<bool, String> {
    let (verb, resource, group, namespace) = question;
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                group: Some(group.to_owned()),
                namespace: namespace.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let path = format!(
        "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{cluster}/proxy/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    );
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(serde_json::to_vec(&review).unwrap()).unwrap();
    let answer = client.request::<SelfSubjectAccessReview>(request).await;
    match answer {
        Ok(answer) => Ok(answer.status.is_some_and(|status| status.allowed)),
        // Who has no grant may not even ask.
        Err(kube::Error::Api(status)) if status.message.contains("no AccessGrant names") => {
            Ok(false)
        }
        Err(error) => Err(error.to_string()),
    }
}
