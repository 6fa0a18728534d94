//! What the server's replicas need to answer as one: their certificate and its rotation, and what
//! their Service reports about them.

use crds::gateway::PEER_NAME;
use k8s_openapi::ByteString;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{NAMESPACE, endpoint, endpoint_of, managed, missed, registered, secret};
use crate::{
    key::Key,
    kind::{Kind, ObjectKey},
    names::{PEER_AUTHORITY, PEERS, SERVING},
    plan::pki::{AUTHORITY_LIVES, LEAF_LIVES},
    tests::model::Hub,
};

fn pem(hub: &Hub, name: &str, key: &str) -> String {
    let ByteString(bytes) = serde_json::from_value(secret(hub, name)[key].clone()).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn leaf(hub: &Hub) -> String {
    pem(hub, PEERS, "tls.crt")
}

fn bundle(hub: &Hub) -> String {
    pem(hub, PEERS, "ca.crt")
}

fn read<T>(pem: &str, of: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    of(&X509Certificate::from_der(&der).unwrap().1)
}

fn is_signed_by(leaf: &str, authority: &str) -> bool {
    read(authority, |authority| {
        read(leaf, |leaf| {
            leaf.verify_signature(Some(authority.public_key())).is_ok()
        })
    })
}

/// Whether a certificate is for servers, and whether it is for clients.
fn usages(certificate: &str) -> (bool, bool) {
    read(certificate, |certificate| {
        let usages = certificate.extended_key_usage().unwrap().unwrap().value;
        (usages.server_auth, usages.client_auth)
    })
}

fn lose(hub: &mut Hub, name: &str) {
    hub.remove(&ObjectKey::new(Kind::Secret, NAMESPACE, name));
}

#[test]
fn one_certificate_with_one_name_is_for_both_ends_of_a_link() {
    let hub = managed();
    assert_eq!(usages(&leaf(&hub)), (true, true));
    assert_eq!(usages(&pem(&hub, SERVING, "tls.crt")), (true, false));
    read(&leaf(&hub), |leaf| {
        let names = leaf.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names, [GeneralName::DNSName(PEER_NAME)]);
    });
    assert_eq!(bundle(&hub), pem(&hub, PEER_AUTHORITY, "ca.crt"));
    assert!(is_signed_by(&leaf(&hub), &bundle(&hub)));
}

#[test]
fn every_replica_trusts_an_authority_before_one_shows_a_certificate_of_it() {
    let mut hub = managed();
    let first = pem(&hub, PEER_AUTHORITY, "ca.crt");
    hub.now += AUTHORITY_LIVES * 2 / 3;
    hub.settle();
    let second = pem(&hub, PEER_AUTHORITY, "next.crt");
    let old = leaf(&hub);
    assert!(is_signed_by(&old, &first));
    assert_eq!(bundle(&hub), format!("{first}{second}"));

    // The next authority signs already, but some replicas may not have read it yet.
    hub.pass(240);
    hub.settle();
    assert_eq!(pem(&hub, PEER_AUTHORITY, "ca.crt"), second);
    assert_eq!(leaf(&hub), old);
    hub.pass(61);
    hub.settle();
    assert!(is_signed_by(&leaf(&hub), &second));
    assert_eq!(bundle(&hub), format!("{second}{first}"));
}

#[test]
fn a_lost_authority_is_trusted_and_its_successor_waits_until_it_is() {
    let mut hub = managed();
    let (lost, old) = (bundle(&hub), leaf(&hub));
    hub.pass(3600);
    lose(&mut hub, PEER_AUTHORITY);
    hub.turn(&Key::Hub);
    // The existing certificate is written again beside the new bundle. Its key is not shown.
    let plan = hub.plan(&Key::Hub);
    let printed = format!("{plan:?}{}", serde_json::to_string(&plan).unwrap());
    assert!(printed.contains("Kept") && !printed.contains("PRIVATE KEY"));
    hub.settle();
    let made = pem(&hub, PEER_AUTHORITY, "ca.crt");
    assert_eq!(bundle(&hub), format!("{made}{lost}"));
    assert_eq!(leaf(&hub), old);
    assert!(hub.plan(&Key::Hub).wake.unwrap() <= hub.now + jiff::SignedDuration::from_secs(300));
    hub.pass(301);
    hub.settle();
    assert!(is_signed_by(&leaf(&hub), &made));
}

#[test]
fn what_is_lost_old_or_spoilt_is_made_anew_at_once() {
    let mut hub = managed();
    let mut before = leaf(&hub);
    let mut is_made = |hub: &mut Hub, what: &str| {
        hub.settle();
        let authority = pem(hub, PEER_AUTHORITY, "ca.crt");
        assert_ne!(leaf(hub), before, "{what}");
        assert!(is_signed_by(&leaf(hub), &authority), "{what}");
        before = leaf(hub);
    };
    hub.now += LEAF_LIVES * 3 / 4;
    is_made(&mut hub, "old");
    lose(&mut hub, PEERS);
    is_made(&mut hub, "lost");
    let key = ObjectKey::new(Kind::Secret, NAMESPACE, PEERS);
    hub.write(&key, &serde_json::json!({"data": {"tls.crt": "eA=="}}));
    is_made(&mut hub, "spoilt");
    let lost = bundle(&hub);
    lose(&mut hub, PEER_AUTHORITY);
    lose(&mut hub, PEERS);
    is_made(&mut hub, "both lost");
    assert!(!bundle(&hub).contains(&lost));
    // Nobody accepts an expired certificate, so there is nothing to wait for.
    hub.now += AUTHORITY_LIVES * 2;
    is_made(&mut hub, "all ended");
}

#[test]
fn an_endpoint_of_the_replicas_own_service_is_not_taken_for_a_server_that_is_ready() {
    let mut hub = managed();
    endpoint_of(&mut hub, PEERS, true);
    assert_eq!(registered(&hub), None);
    endpoint(&mut hub, true);
    assert!(registered(&hub).is_some());
    endpoint(&mut hub, false);
    missed(&mut hub);
    hub.pass(300);
    hub.settle();
    assert_eq!(registered(&hub), None);
}
