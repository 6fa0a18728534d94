use http::Method;
use insta::assert_json_snapshot;

use super::*;
use crate::{route::Collection, verb::Verb};

fn alice() -> User {
    User {
        name: "alice".to_owned(),
        uid: "42".to_owned(),
        groups: vec!["dev".to_owned()],
        extra: [("scopes".to_owned(), vec!["a".to_owned()])].into(),
    }
}

fn proxy() -> Action {
    let name = Some("managed1".parse().unwrap());
    Action::Resource {
        verb: Verb::Create,
        collection: Collection::ClusterGateways,
        subresource: "proxy",
        name,
    }
}

fn question(user: User, action: Action) -> Question {
    Question { user, action }
}

#[test]
fn asks_in_the_terms_of_rbac() {
    assert_json_snapshot!("review_of_proxy", reviews(&question(alice(), proxy()))[0]);
    let metrics = Action::Path {
        method: Method::GET,
        path: "/metrics".to_owned(),
    };
    assert_json_snapshot!(
        "review_of_path",
        reviews(&question(User::default(), metrics))[0]
    );
}

#[test]
fn asks_about_the_resource_that_is_meant() {
    let action = Action::Resource {
        verb: Verb::List,
        collection: Collection::VirtualClusters,
        subresource: "",
        name: None,
    };
    let asked = reviews(&question(alice(), action))
        .remove(0)
        .spec
        .resource_attributes;
    assert_eq!(asked.unwrap().resource.as_deref(), Some("virtualclusters"));
}

#[test]
fn refuses_in_the_words_of_kube_apiserver() {
    let table = [
        (
            proxy(),
            r#"clustergateways.cluster.core.oam.dev "managed1" is forbidden: User "alice" cannot create resource "clustergateways/proxy" in API group "cluster.core.oam.dev" at the cluster scope: why"#,
        ),
        (
            Action::Resource {
                verb: Verb::Watch,
                collection: Collection::VirtualClusters,
                subresource: "",
                name: Some("managed1".parse().unwrap()),
            },
            r#"virtualclusters.cluster.core.oam.dev "managed1" is forbidden: User "alice" cannot watch resource "virtualclusters" in API group "cluster.core.oam.dev" at the cluster scope: why"#,
        ),
        (
            Action::Resource {
                verb: Verb::List,
                collection: Collection::ClusterGateways,
                subresource: "",
                name: None,
            },
            r#"clustergateways.cluster.core.oam.dev is forbidden: User "alice" cannot list resource "clustergateways" in API group "cluster.core.oam.dev" at the cluster scope: why"#,
        ),
        (
            Action::Path {
                method: Method::GET,
                path: "/metrics".to_owned(),
            },
            r#"forbidden: User "alice" cannot get path "/metrics": why"#,
        ),
    ];
    for (action, wanted) in table {
        let refusal = forbidden(&alice(), &action, "why");
        assert_eq!(
            (refusal.code(), refusal.message()),
            (StatusCode::FORBIDDEN, wanted)
        );
    }
}

#[test]
fn only_a_plain_yes_is_a_yes() {
    use k8s_openapi::api::authorization::v1::SubjectAccessReviewStatus as Status;
    let ask = |status| {
        verdict(SubjectAccessReview {
            status,
            ..SubjectAccessReview::default()
        })
    };
    assert_eq!(
        ask(Some(Status {
            allowed: true,
            ..Status::default()
        })),
        Verdict::Allowed
    );
    let denied = Verdict::Denied(String::new());
    assert_eq!(
        ask(Some(Status {
            allowed: true,
            denied: Some(true),
            ..Status::default()
        })),
        denied
    );
    assert_eq!(ask(Some(Status::default())), denied);
    assert_eq!(ask(None), denied);
}
