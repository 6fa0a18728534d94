//! Makes keys and certificates, which a plan cannot do because it is pure.

use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose::{self, ClientAuth, ServerAuth},
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::{
    names::{MANAGED_BY, MANAGER},
    plan::pki::{
        AUTHORITY_LIVES, Issue, KEYS, LEAF_LIVES, Pair, PeerLeaf, SIGNER, Signature, Slot,
        peer::{self, BUNDLE, SINCE},
    },
};

/// Certificates are valid from a little earlier than now, because clocks differ.
const SLACK: SignedDuration = SignedDuration::from_mins(2);

/// The Secret of this name with fresh keys or certificates.
pub(super) fn secret(name: &str, issue: &Issue, now: Timestamp) -> Result<Value, rcgen::Error> {
    let ours = json!({MANAGED_BY: MANAGER});
    match issue {
        Issue::Authorities {
            signing,
            next,
            retired,
        } => {
            let filled = |slot: &Slot| match slot {
                Slot::Kept(pair) => Ok(pair.clone()),
                Slot::Fresh => authority(name, now),
            };
            let signing = filled(signing)?;
            let next = next.as_ref().map(filled).transpose()?;
            let (certificate, key) = next.map(|it| (it.certificate, it.key)).unzip();
            let all = [
                Some(signing.certificate),
                Some(signing.key),
                certificate,
                key,
                retired.clone(),
            ];
            let mut data = json!({});
            for (name, text) in KEYS.into_iter().zip(all) {
                if let Some(text) = text {
                    data[name] = bytes(text);
                }
            }
            Ok(json!({"metadata": {"labels": ours}, "type": "Opaque", "data": data}))
        }
        Issue::Leaf { signer, names } => {
            let leaf = leaf(signer, names, vec![ServerAuth], now)?;
            Ok(json!({
                "metadata": {"labels": ours, "annotations": {SIGNER: signer.fingerprint()}},
                "type": "kubernetes.io/tls",
                "data": {"tls.crt": bytes(leaf.certificate), "tls.key": bytes(leaf.key)},
            }))
        }
        Issue::Peer {
            leaf,
            bundle,
            since,
        } => {
            let (leaf, signer) = peer(leaf, now)?;
            let since = since.to_string();
            Ok(json!({
                "metadata": {"labels": ours, "annotations": {SIGNER: signer, SINCE: since}},
                "type": "kubernetes.io/tls",
                "data": {
                    "tls.crt": bytes(leaf.certificate), "tls.key": bytes(leaf.key),
                    BUNDLE: bytes(bundle.clone()),
                },
            }))
        }
    }
}

fn bytes(text: String) -> Value {
    json!(ByteString(text.into_bytes()))
}

/// An agent's certificate in PEM, for the holder of the key that signed the request.
pub(super) fn certificate(signature: &Signature, now: Timestamp) -> Result<String, rcgen::Error> {
    let Signature {
        signer,
        user,
        request,
        seconds,
    } = signature;
    let request = CertificateSigningRequestParams::from_pem(request)?;
    let mut parameters = living(now, SignedDuration::from_secs(*seconds));
    let name = &mut parameters.distinguished_name;
    name.push(DnType::CommonName, user.as_str());
    name.push(DnType::OrganizationalUnitName, signer.fingerprint());
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ClientAuth];
    parameters.use_authority_key_identifier_extension = true;
    let signed = parameters.signed_by(&request.public_key, &issuer(signer)?)?;
    Ok(signed.pem())
}

fn issuer(signer: &Pair) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
    let key = KeyPair::from_pem(&signer.key)?;
    Issuer::from_ca_cert_pem(&signer.certificate, key)
}

fn authority(name: &str, now: Timestamp) -> Result<Pair, rcgen::Error> {
    let mut parameters = living(now, AUTHORITY_LIVES);
    // The name includes the time, because two authorities with one name would be confused.
    let name = format!("{name}@{}", now.as_second());
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: parameters.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

fn leaf(
    signer: &Pair,
    names: &[String],
    usages: Vec<ExtendedKeyUsagePurpose>,
    now: Timestamp,
) -> Result<Pair, rcgen::Error> {
    let mut parameters = living(now, LEAF_LIVES);
    parameters.subject_alt_names = CertificateParams::new(names.to_vec())?.subject_alt_names;
    let name = names.first().map_or("gateway", String::as_str);
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.extended_key_usages = usages;
    parameters.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: parameters.signed_by(&key, &issuer(signer)?)?.pem(),
        key: key.serialize_pem(),
    })
}

/// The replicas' certificate, which each of them presents at both ends of a link, and its signer's
/// fingerprint.
fn peer(leaf: &PeerLeaf, now: Timestamp) -> Result<(Pair, String), rcgen::Error> {
    match leaf {
        PeerLeaf::Kept { leaf, signer } => Ok((leaf.clone(), signer.clone())),
        PeerLeaf::Fresh { signer } => {
            let usages = vec![ServerAuth, ClientAuth];
            let leaf = self::leaf(signer, &peer::names(), usages, now)?;
            Ok((leaf, signer.fingerprint()))
        }
    }
}

fn living(now: Timestamp, life: SignedDuration) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.not_before = time(now.saturating_sub(SLACK).unwrap_or(now)).into();
    parameters.not_after = time(now.saturating_add(life).unwrap_or(now)).into();
    parameters
}

fn time(at: Timestamp) -> SystemTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
