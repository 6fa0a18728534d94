use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "front-proxy-ca");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn client(issuer: &Issuer, name: &str) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    params
        .signed_by(&KeyPair::generate().unwrap(), issuer)
        .unwrap()
        .der()
        .clone()
}

fn config(issuer: &Issuer, change: &[(&str, &str)]) -> ConfigMap {
    let mut data = BTreeMap::from([
        (CLIENT_CA.to_owned(), issuer.pem()),
        (
            ALLOWED_NAMES.to_owned(),
            r#"["front-proxy-client"]"#.to_owned(),
        ),
        (
            USERNAME_HEADERS.to_owned(),
            r#"["X-Remote-User"]"#.to_owned(),
        ),
        (UID_HEADERS.to_owned(), r#"["X-Remote-Uid"]"#.to_owned()),
        (GROUP_HEADERS.to_owned(), r#"["X-Remote-Group"]"#.to_owned()),
        (
            EXTRA_PREFIXES.to_owned(),
            r#"["X-Remote-Extra-"]"#.to_owned(),
        ),
    ]);
    for (key, value) in change {
        data.insert((*key).to_owned(), (*value).to_owned());
    }
    ConfigMap {
        data: Some(data),
        ..ConfigMap::default()
    }
}

fn at(year: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_556_952))
}

#[test]
fn only_the_front_proxys_own_certificate_may_vouch() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (hub, other) = (authority(), authority());
    let proxy = FrontProxy::read(&config(&hub, &[])).unwrap();
    let good = client(&hub, "front-proxy-client");
    let until = proxy.verify(std::slice::from_ref(&good), at(2030)).unwrap();
    assert!((at(2039)..at(2041)).contains(&until), "{until:?}");

    assert_eq!(proxy.verify(&[], at(2030)), Err(PeerError::NoCertificate));
    let foreign = proxy.verify(&[client(&other, "front-proxy-client")], at(2030));
    assert!(
        matches!(foreign, Err(PeerError::Untrusted(_))),
        "{foreign:?}"
    );
    let expired = proxy.verify(&[good], at(2042));
    assert!(
        matches!(expired, Err(PeerError::Untrusted(_))),
        "{expired:?}"
    );
    let named = proxy.verify(&[client(&hub, "kubelet")], at(2030));
    assert_eq!(named, Err(PeerError::Name("kubelet".to_owned())));

    let any = FrontProxy::read(&config(&hub, &[(ALLOWED_NAMES, "[]")])).unwrap();
    any.verify(&[client(&hub, "kubelet")], at(2030)).unwrap();
}

#[test]
fn takes_the_user_from_the_configured_headers() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let proxy = FrontProxy::read(&config(&authority(), &[])).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-remote-user", "alice"),
        ("x-remote-uid", "42"),
        ("x-remote-group", "dev"),
        ("x-remote-group", "system:authenticated"),
        ("x-remote-extra-example.com%2fscopes", "a"),
        ("x-remote-extra-example.com%2fscopes", "b"),
    ] {
        headers.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    let user = proxy.user(&headers).unwrap();
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("alice", "42"));
    assert_eq!(user.groups, ["dev", "system:authenticated"]);
    assert_eq!(user.extra["example.com/scopes"], ["a", "b"]);

    headers.remove("x-remote-group");
    assert_eq!(
        proxy.user(&headers).unwrap().groups,
        ["system:authenticated"]
    );
    headers.insert("x-remote-user", "system:anonymous".parse().unwrap());
    assert!(proxy.user(&headers).unwrap().groups.is_empty());

    headers.remove("x-remote-user");
    let nobody = proxy.user(&headers).unwrap_err();
    assert_eq!(
        nobody,
        AuthenticationError::NoUser("x-remote-user".to_owned())
    );
}

#[test]
fn forgets_the_user_by_whatever_names_the_hub_has_for_it() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let own = [
        (USERNAME_HEADERS, "[\"X-Who\"]"),
        (UID_HEADERS, "[\"X-Who-Id\"]"),
        (GROUP_HEADERS, "[\"X-Team\"]"),
        (EXTRA_PREFIXES, "[\"X-More-\"]"),
    ];
    let proxy = FrontProxy::read(&config(&authority(), &own)).unwrap();
    let mut headers = HeaderMap::new();
    for name in [
        "x-who",
        "x-who-id",
        "x-team",
        "x-team",
        "x-more-scopes",
        "x-other",
    ] {
        headers.append(HeaderName::from_static(name), "v".parse().unwrap());
    }
    assert_eq!(proxy.user(&headers).unwrap().name, "v");
    proxy.forget_user(&mut headers);
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-other"]);
}

#[test]
fn a_broken_configuration_names_its_key() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let hub = authority();
    for (key, value) in [
        (CLIENT_CA, "nothing"),
        (ALLOWED_NAMES, "front-proxy-client"),
        (USERNAME_HEADERS, "[]"),
        (GROUP_HEADERS, r#"["not a header"]"#),
    ] {
        let error = FrontProxy::read(&config(&hub, &[(key, value)]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(key), "{error}");
    }
}
