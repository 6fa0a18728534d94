//! The rights of `config/agent`, checked on real API servers: what an agent does is allowed, and
//! nothing that would affect others.

use e2e::Cluster;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
    SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use super::stage::{AGENTS, CLUSTER, NAMESPACE, Stage};

const ADDONS: &str = "open-cluster-management-agent-addon";
const ON_HUB: &str = "system:open-cluster-management:cluster:managed1:addon:cluster-proxy:agent:a";
const ON_SPOKE: &str = "system:serviceaccount:open-cluster-management-agent-addon:spokeway-agent";
/// What every authenticated user may ask about itself.
const OF_EVERYBODY: &[&str] = &["authorization.k8s.io", "authentication.k8s.io"];

/// A verb, a group, a resource with its subresource, and a namespace.
type Question = (&'static str, &'static str, &'static str, &'static str);

const MSA: &str = "authentication.open-cluster-management.io";
const RBAC: &str = "rbac.authorization.k8s.io";

const MAY_ON_HUB: &[Question] = &[
    ("patch", MSA, "managedserviceaccounts", CLUSTER),
    ("patch", MSA, "managedserviceaccounts/status", CLUSTER),
    ("create", "", "secrets", CLUSTER),
    ("create", "events.k8s.io", "events", CLUSTER),
    ("get", "cluster.core.oam.dev", "clustergateways/attach", ""),
];
const MAY_NOT_ON_HUB: &[Question] = &[
    ("get", "", "secrets", "managed2"),
    ("list", "", "secrets", ""),
    ("get", "", "secrets", "kube-system"),
    ("list", MSA, "managedserviceaccounts", "managed2"),
    ("patch", MSA, "managedserviceaccounts/status", "managed2"),
    ("create", MSA, "managedserviceaccounts", CLUSTER),
    ("create", "", "serviceaccounts/token", CLUSTER),
    ("create", "", "pods", CLUSTER),
    ("create", RBAC, "rolebindings", CLUSTER),
    ("escalate", RBAC, "roles", CLUSTER),
    ("bind", RBAC, "clusterroles", ""),
    ("impersonate", "", "users", ""),
    ("approve", "certificates.k8s.io", "signers", ""),
    (
        "update",
        "certificates.k8s.io",
        "certificatesigningrequests/approval",
        "",
    ),
    (
        "create",
        "work.open-cluster-management.io",
        "manifestworks",
        CLUSTER,
    ),
    (
        "update",
        "cluster.open-cluster-management.io",
        "managedclusters",
        "",
    ),
    ("get", "cluster.core.oam.dev", "clustergateways/proxy", ""),
    ("list", "cluster.core.oam.dev", "clustergateways", ""),
];
const MAY_ON_SPOKE: &[Question] = &[
    ("create", "", "serviceaccounts", NAMESPACE),
    ("delete", "", "serviceaccounts", NAMESPACE),
    ("create", "", "serviceaccounts/token", NAMESPACE),
    ("create", "authentication.k8s.io", "tokenreviews", ""),
    ("patch", "coordination.k8s.io", "leases", ADDONS),
];
const MAY_NOT_ON_SPOKE: &[Question] = &[
    // The accounts of all add-ons are there.
    ("create", "", "serviceaccounts/token", ADDONS),
    ("create", "", "serviceaccounts/token", "kube-system"),
    ("create", "", "serviceaccounts", ADDONS),
    ("delete", "", "serviceaccounts", ADDONS),
    ("update", "", "serviceaccounts", NAMESPACE),
    ("get", "", "secrets", NAMESPACE),
    ("get", "", "secrets", ADDONS),
    ("list", "", "secrets", ""),
    ("create", "", "pods", NAMESPACE),
    ("create", RBAC, "rolebindings", NAMESPACE),
    ("create", RBAC, "clusterrolebindings", ""),
    ("escalate", RBAC, "clusterroles", ""),
    ("bind", RBAC, "clusterroles", ""),
    ("impersonate", "", "serviceaccounts", NAMESPACE),
    ("get", "", "nodes/proxy", ""),
    ("patch", "coordination.k8s.io", "leases", "kube-node-lease"),
];

#[tokio::test]
async fn an_agent_may_do_its_work_and_reach_nobody_else() {
    let stage = Stage::start(&[]).await;
    let (hub, spoke) = (stage.hub(), stage.spoke());
    let groups = [AGENTS, "system:authenticated"];
    answers(hub, ON_HUB, &groups, MAY_ON_HUB, true).await;
    answers(hub, ON_HUB, &groups, MAY_NOT_ON_HUB, false).await;
    let of_addons = format!("system:serviceaccounts:{ADDONS}");
    let groups = ["system:serviceaccounts", &of_addons, "system:authenticated"];
    answers(spoke, ON_SPOKE, &groups, MAY_ON_SPOKE, true).await;
    answers(spoke, ON_SPOKE, &groups, MAY_NOT_ON_SPOKE, false).await;
}

#[tokio::test]
async fn an_agent_has_no_right_at_all_in_other_namespaces() {
    let stage = Stage::start(&[]).await;
    let on_hub = stage.hub().client_as(ON_HUB, &[AGENTS]).unwrap();
    let token = stage
        .spoke()
        .service_account_token(ADDONS, "spokeway-agent", super::stage::SOON);
    let token = e2e::Credentials::Token(token.await.unwrap());
    let on_spoke = stage.spoke().client_with(&token);
    for (client, namespace) in [
        (&on_hub, "managed2"),
        (&on_hub, "kube-system"),
        (&on_spoke, "kube-system"),
        (&on_spoke, "default"),
    ] {
        let rules = rules(client, namespace).await;
        let foreign: Vec<_> = rules
            .into_iter()
            .filter(|rule| !is_harmless(rule))
            .collect();
        assert!(foreign.is_empty(), "{namespace}: {foreign:?}");
    }
    let own = rules(&on_hub, CLUSTER).await;
    assert!(
        own.iter().any(|rule| !is_harmless(rule)),
        "rules are seen at all"
    );
}

/// Whether the right is about the caller itself, or allows it to attach its own tunnel, which is
/// cluster-scoped and restricted by name.
fn is_harmless(rule: &ResourceRule) -> bool {
    let groups = rule.api_groups.iter().flatten();
    let resources: Vec<_> = rule
        .resources
        .iter()
        .flatten()
        .map(String::as_str)
        .collect();
    groups
        .clone()
        .all(|group| OF_EVERYBODY.contains(&group.as_str()))
        || resources == ["clustergateways/attach", "clustergateways/health"]
}

async fn rules(client: &Client, namespace: &str) -> Vec<ResourceRule> {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some(namespace.to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let reviews = Api::<SelfSubjectRulesReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    answer.unwrap().status.unwrap().resource_rules
}

/// Asks a cluster's API server about each of these rights of a user.
async fn answers(cluster: &Cluster, user: &str, groups: &[&str], all: &[Question], wanted: bool) {
    let reviews = Api::<SubjectAccessReview>::all(cluster.client());
    for &(verb, group, resource, namespace) in all {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: text(user),
                groups: Some(groups.iter().map(|&group| group.to_owned()).collect()),
                resource_attributes: Some(ResourceAttributes {
                    verb: text(verb),
                    group: text(group),
                    resource: text(resource),
                    subresource: text(subresource),
                    namespace: text(namespace),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = reviews.create(&PostParams::default(), &review).await;
        let allowed = answer.unwrap().status.unwrap().allowed;
        let name = cluster.name();
        let asked = format!("{verb} {group} {resource}/{subresource} in {namespace} of {name}");
        assert_eq!(allowed, wanted, "{asked}");
    }
}
