//! Certificates as `openssl` and authorities make them, and whether a server with them is accepted.

use std::{slice, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};

use super::*;

const NAME: &str = "spoke.example";
/// In the middle of 2030.
const NOW: u64 = 1_908_000_000;

fn params() -> CertificateParams {
    let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    params
}

/// As `openssl req -x509` makes it.
fn of_openssl() -> CertificateParams {
    let mut params = params();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn self_signed(params: &CertificateParams) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn verdict(
    trusted: &[CertificateDer<'static>],
    server: &CertificateDer<'static>,
    name: &str,
    now: u64,
) -> Result<(), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    verifier(trusted.to_vec())
        .verify_server_cert(server, &[], &name, &[], now)
        .map(|_| ())
}

#[test]
fn a_self_signed_certificate_and_a_pinned_one_are_accepted() {
    let itself = self_signed(&of_openssl());
    verdict(slice::from_ref(&itself), &itself, NAME, NOW).unwrap();
    // One of an authority that nobody knows, beside one that has nothing to do with it.
    let authority = CertifiedIssuer::self_signed(of_openssl(), KeyPair::generate().unwrap());
    let key = KeyPair::generate().unwrap();
    let leaf = params().signed_by(&key, &authority.unwrap()).unwrap();
    let leaf = leaf.der().clone();
    verdict(&[itself.clone(), leaf.clone()], &leaf, NAME, NOW).unwrap();
    // The same names and dates, but another key.
    let other = self_signed(&of_openssl());
    verdict(&[itself], &other, NAME, NOW).unwrap_err();
}

#[test]
fn what_an_authority_has_issued_is_accepted_as_before() {
    let key = KeyPair::generate().unwrap();
    let authority = CertifiedIssuer::self_signed(of_openssl(), KeyPair::generate().unwrap());
    let authority = authority.unwrap();
    let leaf = params().signed_by(&key, &authority).unwrap();
    let trusted = [self_signed(&params()), authority.der().clone()];
    verdict(&trusted, leaf.der(), NAME, NOW).unwrap();
    verdict(&trusted, leaf.der(), "other.example", NOW).unwrap_err();
    assert_eq!(
        verdict(&[], leaf.der(), NAME, NOW),
        Err(CertificateError::UnknownIssuer.into())
    );
}

#[test]
fn name_dates_and_purpose_count_for_a_trusted_certificate_too() {
    let itself = self_signed(&of_openssl());
    let trusted = [itself.clone()];
    let refused = |name, now| verdict(&trusted, &itself, name, now).unwrap_err();
    let another = refused("other.example", NOW).to_string();
    assert!(another.contains("other.example"), "{another}");
    assert_eq!(
        refused(NAME, NOW + 40_000_000),
        CertificateError::Expired.into()
    );
    assert_eq!(
        refused(NAME, NOW - 40_000_000),
        CertificateError::NotValidYet.into()
    );
    let mut params = params();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = self_signed(&params);
    assert_eq!(
        verdict(slice::from_ref(&client), &client, NAME, NOW),
        Err(CertificateError::InvalidPurpose.into())
    );
}

#[test]
fn a_bundle_is_read_as_go_reads_it() {
    let pem = || {
        let key = KeyPair::generate().unwrap();
        params().self_signed(&key).unwrap().pem()
    };
    let (first, second) = (pem(), pem());
    let broken = format!("{BEGIN}\nbm8gY2VydGlmaWNhdGU=\n{END}\n{BEGIN}\n###\n{END}\n");
    let indented = second.replace('\n', "\r\n  ");
    let bundle = format!("# my CA\nsubject=CN\n{first}{broken}\n{indented}\ntrailing text {BEGIN}");
    let wanted = [first, second].map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap());
    assert_eq!(certificates(bundle.as_bytes()), wanted);
    assert!(certificates(b"no certificate").is_empty());
    assert!(certificates(&[0xff, 0xfe]).is_empty());
}
