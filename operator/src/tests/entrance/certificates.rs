//! Who gets a certificate for the entrance, and from which authority.

use crds::addon::Version;
use jiff::SignedDuration;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use serde_json::json;

use super::{
    super::model::Hub, CLUSTER, NAMESPACE, certificate, configure, hostname, hub, issuer, own,
    secret, unit,
};
use crate::{
    kind::{Kind, ObjectKey},
    names::{TUNNEL_AUTHORITY, TUNNEL_CLIENTS},
    plan::{Action, enrolment::tunnel_request_for_tests, pki::AUTHORITY_LIVES},
};

#[test]
fn an_agent_gets_a_certificate_of_its_own_name_whatever_proves_it_at_the_hub() {
    for (addons, by_token) in [
        (Version::V1beta1, false),
        (Version::V1beta1, true),
        (Version::V1alpha1, true),
    ] {
        let mut hub = Hub::new(addons);
        hub.install();
        hub.accept(CLUSTER, &json!({}));
        if by_token {
            hub.by_token.push(CLUSTER.to_owned());
        }
        configure(&mut hub, "External", &hostname());
        let (name, seconds, usage) = certificate(&hub);
        assert_eq!(
            name,
            "system:open-cluster-management:cluster:managed1:addon:cluster-gateway:agent:spokeway-agent"
        );
        assert_eq!(seconds, 30 * 24 * 3600);
        assert_eq!(
            usage,
            json!({"client": true, "server": false, "any": false})
        );
        // The gateway gets the bundle to verify agents with, but no key.
        let clients = own(&hub, Kind::Secret, TUNNEL_CLIENTS).unwrap();
        assert_eq!(clients["data"].as_object().unwrap().len(), 1);
        assert_eq!(
            secret(&hub, TUNNEL_CLIENTS, "ca.crt"),
            secret(&hub, TUNNEL_AUTHORITY, "ca.crt")
        );
    }
}

#[test]
fn a_request_that_does_not_fit_is_neither_granted_nor_signed() {
    type Change = fn(&mut CertificateSigningRequest);
    let unfit: [(&str, &str, Change); 4] = [
        ("common name", "managed2", |_| {}),
        ("requester", CLUSTER, |it| {
            it.spec.username = Some("system:open-cluster-management:managed2:agent-1".to_owned());
        }),
        ("usages", CLUSTER, |it| {
            it.spec.usages = Some(vec!["client auth".to_owned(), "server auth".to_owned()]);
        }),
        ("usages", CLUSTER, |it| {
            it.spec.usages = Some(vec!["cert sign".to_owned()]);
        }),
    ];
    let granted = json!({"conditions": [{"type": "Approved", "status": "True"}]});
    for (what, of, change) in unfit {
        // This holds even if somebody else has approved the request.
        for status in [json!({}), granted.clone()] {
            let mut hub = hub("External", &hostname());
            let key = ObjectKey::new(Kind::CertificateSigningRequest, CLUSTER, "unfit");
            let mut csr = tunnel_request_for_tests(CLUSTER, of, &unit(&hub));
            change(&mut csr);
            let mut object = serde_json::to_value(&csr).unwrap();
            object["metadata"]["labels"] = json!({crds::addon::CLUSTER_LABEL: CLUSTER});
            object["status"] = status;
            hub.write(&key, &object);
            let plan = hub.cluster(CLUSTER);
            assert_eq!(plan.actions, [] as [Action; 0], "{what}");
            assert!(plan.notes[0].text.contains(what), "{:?}", plan.notes);
        }
    }
}

#[test]
fn a_request_that_was_denied_or_comes_before_there_is_an_entrance_is_left_alone() {
    let denied = json!({"conditions": [
        {"type": "Approved", "status": "True"}, {"type": "Failed", "status": "True"},
    ]});
    for (entrypoint, status) in [(hostname(), denied), (json!({"type": "HubAPI"}), json!({}))] {
        let mut hub = hub("External", &entrypoint);
        let key = ObjectKey::new(Kind::CertificateSigningRequest, CLUSTER, "other");
        let mut object =
            serde_json::to_value(tunnel_request_for_tests(CLUSTER, CLUSTER, &unit(&hub))).unwrap();
        object["metadata"]["labels"] = json!({crds::addon::CLUSTER_LABEL: CLUSTER});
        object["status"] = status;
        hub.write(&key, &object);
        assert_eq!(hub.cluster(CLUSTER).actions, [] as [Action; 0]);
    }
}

#[test]
fn a_certificate_lives_no_longer_than_was_asked_for() {
    let mut hub = hub("External", &hostname());
    let key = ObjectKey::new(Kind::CertificateSigningRequest, CLUSTER, "tunnel-managed1");
    hub.remove(&key);
    let mut csr = tunnel_request_for_tests(CLUSTER, CLUSTER, &unit(&hub));
    csr.spec.expiration_seconds = Some(3600);
    let mut object = serde_json::to_value(&csr).unwrap();
    object["metadata"]["labels"] = json!({crds::addon::CLUSTER_LABEL: CLUSTER});
    object["metadata"]["annotations"] = json!({"unit": unit(&hub)});
    hub.write(&key, &object);
    hub.settle();
    assert_eq!(certificate(&hub).1, 3600);
}

#[test]
fn an_authority_of_agents_is_trusted_before_it_signs_and_after_it_did() {
    let mut hub = hub("External", &hostname());
    let (first, by_first) = (secret(&hub, TUNNEL_CLIENTS, "ca.crt"), issuer(&hub));
    hub.now += AUTHORITY_LIVES * 2 / 3;
    hub.settle();
    let both = secret(&hub, TUNNEL_CLIENTS, "ca.crt");
    assert!(both.starts_with(&first) && both.len() > first.len());
    assert_eq!(issuer(&hub), by_first);

    hub.pass(301);
    hub.settle();
    let by_next = issuer(&hub);
    assert_ne!(by_next, by_first);
    let trusted = secret(&hub, TUNNEL_CLIENTS, "ca.crt");
    assert!(trusted.ends_with(&first) && trusted.len() == both.len());

    // A retired authority is trusted for longer than any of its certificates is valid, but not for
    // ever.
    hub.now += SignedDuration::from_hours(31 * 24);
    hub.settle();
    assert!(secret(&hub, TUNNEL_CLIENTS, "ca.crt").ends_with(&first));
    hub.now += AUTHORITY_LIVES / 3;
    hub.settle();
    assert!(!secret(&hub, TUNNEL_CLIENTS, "ca.crt").contains(&first));
}

/// An agent does not notice by itself that its certificate is no longer trusted.
#[test]
fn an_authority_that_was_lost_gives_agents_other_certificates() {
    let mut hub = hub("External", &hostname());
    let (by_first, first) = (issuer(&hub), unit(&hub));
    hub.pass(60);
    hub.remove(&ObjectKey::new(Kind::Secret, NAMESPACE, TUNNEL_AUTHORITY));
    hub.settle();
    assert_ne!(unit(&hub), first);
    assert_ne!(issuer(&hub), by_first);
    let second = unit(&hub);
    configure(&mut hub, "External", &json!({"type": "HubAPI"}));
    assert_eq!(unit(&hub), "");
    configure(&mut hub, "External", &hostname());
    assert_ne!(unit(&hub), second);
}
