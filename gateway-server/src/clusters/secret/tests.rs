use crds::cluster_core::secret::HOST_TRUST_ANNOTATION;

use super::*;

pub(in crate::clusters) fn secret(name: &str, data: &[(&str, &str)]) -> Secret {
    let labels = [(
        CREDENTIAL_TYPE_LABEL.to_owned(),
        "ServiceAccountToken".to_owned(),
    )];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("credentials".to_owned()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        data: Some(
            data.iter()
                .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                .collect(),
        ),
        ..Secret::default()
    }
}

pub(in crate::clusters) fn token_secret(name: &str) -> Secret {
    let ca = authority();
    secret(
        name,
        &[
            ("endpoint", "https://10.0.0.1:6443\n"),
            ("ca.crt", &ca),
            ("token", "hunter2\n"),
        ],
    )
}

pub(in crate::clusters) fn authority() -> String {
    rcgen::generate_simple_self_signed(["ca".to_owned()])
        .unwrap()
        .cert
        .pem()
}

fn labelled(mut secret: Secret, key: &str, value: &str) -> Secret {
    secret
        .metadata
        .labels
        .get_or_insert_default()
        .insert(key.to_owned(), value.to_owned());
    secret
}

fn annotated(mut secret: Secret, key: &str, value: &str) -> Secret {
    secret
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(key.to_owned(), value.to_owned());
    secret
}

fn with(mut secret: Secret, key: &str, value: &str) -> Secret {
    secret
        .data
        .get_or_insert_default()
        .insert(key.to_owned(), ByteString(value.into()));
    secret
}

fn without(mut secret: Secret, key: &str) -> Secret {
    secret.data.get_or_insert_default().remove(key);
    secret
}

fn read(given: &Secret) -> Definition {
    let name = given.metadata.name.as_ref().unwrap().parse().unwrap();
    super::read(&name, given, &Tunnels::new(0, 0))
}

fn target(secret: &Secret) -> Target {
    let Places { tunnel, direct } = read(secret).means.unwrap().places;
    tunnel.into_iter().chain(direct).next().unwrap()
}

fn fault(secret: &Secret) -> String {
    read(secret).means.unwrap_err().to_string()
}

#[test]
fn reads_a_token_secret() {
    let means = read(&token_secret("managed1")).means.unwrap();
    let read = target(&token_secret("managed1"));
    assert_eq!(read.authority.as_str(), "10.0.0.1:6443");
    let authorization = means.authorization.unwrap();
    assert_eq!(authorization, "Bearer hunter2");
    assert!(authorization.is_sensitive());
    assert!(
        matches!(read.tls.as_ref().map(|tls| &tls.trust), Some(Trust::Authorities(all)) if all.len() == 1)
    );
    assert_eq!(
        read.dialer,
        Dialer::Direct {
            host: "10.0.0.1".to_owned(),
            port: 6443,
            reach: Reach::Anywhere,
        }
    );
}

#[test]
fn reads_an_x509_secret_a_proxy_and_the_older_ca_key() {
    let issued = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let given = labelled(
        token_secret("managed1"),
        CREDENTIAL_TYPE_LABEL,
        "X509Certificate",
    );
    let given = with(given, "tls.crt", &issued.cert.pem());
    let given = with(given, "tls.key", &issued.signing_key.serialize_pem());
    let given = with(given, "proxy-url", "http://proxy:3128");
    let given = with(without(given, "ca.crt"), "ca", &authority());
    assert_eq!(read(&given).means.unwrap().authorization, None);
    let read = target(&given);
    assert_eq!(read.tls.unwrap().identity.unwrap().chain.len(), 1);
    assert!(matches!(read.dialer, Dialer::Proxy { .. }));
}

#[test]
fn verification_is_only_skipped_when_asked_for() {
    let given = without(token_secret("managed1"), "ca.crt");
    assert!(
        fault(&given).contains("insecure-skip-tls-verify=true"),
        "{}",
        fault(&given)
    );
    assert_eq!(
        target(&annotated(given, INSECURE_ANNOTATION, "true"))
            .tls
            .unwrap()
            .trust,
        Trust::Anybody
    );
    let given = annotated(token_secret("managed1"), INSECURE_ANNOTATION, "yes");
    assert!(matches!(
        target(&given).tls.unwrap().trust,
        Trust::Authorities(_)
    ));
}

#[test]
fn the_hosts_authorities_count_only_when_asked_for_and_alone() {
    let asked = |secret| annotated(secret, HOST_TRUST_ANNOTATION, "true");
    let given = token_secret("managed1");
    let fault = fault(&asked(given.clone()));
    assert!(
        fault.contains("ca.crt") && fault.contains("trust-system-roots=true"),
        "{fault}"
    );
    let trusting = asked(without(given, "ca.crt"));
    assert_eq!(target(&trusting).tls.unwrap().trust, Trust::Host);
}

#[test]
fn every_fault_names_its_place_and_no_secret() {
    let good = token_secret("managed1");
    let table = [
        (
            without(good.clone(), "token"),
            "key token is missing or empty",
        ),
        (
            with(good.clone(), "token", " \n"),
            "key token is missing or empty",
        ),
        (
            with(good.clone(), "token", "hunter2\r\nx"),
            "key token: it has characters that no token has",
        ),
        (
            without(good.clone(), "endpoint"),
            "key endpoint is missing or empty",
        ),
        (
            with(good.clone(), "ca.crt", "hunter2"),
            "key ca.crt: it contains no usable PEM certificate",
        ),
        (
            with(good.clone(), "endpoint", "http://a"),
            "key endpoint: its scheme is http",
        ),
        (
            with(good.clone(), "proxy-url", "ftp://hunter2@a"),
            "key proxy-url: its scheme is not http, https or socks5",
        ),
        (
            labelled(good.clone(), CREDENTIAL_TYPE_LABEL, "X509Certificate"),
            "key tls.crt is missing",
        ),
        (
            labelled(good.clone(), CREDENTIAL_TYPE_LABEL, "X509"),
            "unknown credential type \"X509\"",
        ),
        (
            labelled(good.clone(), ENDPOINT_TYPE_LABEL, "Proxy"),
            "unknown endpoint type \"Proxy\"",
        ),
        (
            labelled(good, CREDENTIAL_TYPE_LABEL, "Dynamic"),
            "Dynamic runs a program",
        ),
    ];
    for (secret, wanted) in table {
        let said = fault(&secret);
        assert!(said.contains(wanted) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn shows_no_credential() {
    let given = with(
        token_secret("managed1"),
        "proxy-url",
        "http://user:hunter2@proxy",
    );
    let given = annotated(given, "note", "hunter2");
    let shown = serde_json::to_string(&read(&given).object).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("https://10.0.0.1:6443") && shown.contains("ServiceAccountToken"));
    let debug = format!("{:?}", read(&given).means);
    assert!(!debug.contains("hunter2"), "{debug}");
}

#[test]
fn shows_a_faulty_cluster_as_unhealthy_with_the_fault() {
    let shown = read(&without(token_secret("managed1"), "token"))
        .object
        .unwrap();
    let status = shown.status.unwrap();
    assert_eq!(
        (status.healthy, status.healthy_reason.as_str()),
        (false, "key token is missing or empty")
    );
}

#[test]
fn takes_health_from_the_annotations() {
    let given = annotated(token_secret("managed1"), HEALTHY_ANNOTATION, "True");
    assert!(read(&given).object.unwrap().status.unwrap().healthy);
}
