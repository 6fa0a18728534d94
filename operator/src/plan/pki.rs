//! The gateway's serving certificate, agents' certificates for its own entrance, and the
//! authorities that sign both, as Secrets store them. Pure: reads certificates and decides what to
//! issue. [`peer`] has the certificate of the gateway's replicas.
//!
//! An authority is replaced by overlap: the next one is trusted before its first certificate is in
//! use, and the previous one stays trusted for as long as it is valid.
//!
//! ```text
//! signing ──(two thirds of its life)──► signing + next ──(both trusted for a while)──► next signs
//! ```

pub(crate) mod peer;

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::core::DynamicObject;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::Serialize;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::{digest, object::part};

/// The lifetime of authorities.
pub(crate) const AUTHORITY_LIVES: SignedDuration = SignedDuration::from_hours(2 * 365 * 24);
/// The lifetime of serving certificates.
pub(crate) const LEAF_LIVES: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The longest lifetime of agents' certificates. Open Cluster Management requests the next one when
/// a fifth of it is left.
const CLIENT_LIVES: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long both authorities are trusted before the next one signs. By then the aggregator, the
/// agents and the gateway have read it.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// Annotation of a serving certificate's Secret: the fingerprint of its authority.
pub(crate) const SIGNER: &str = "gateway.open-cluster-management.io/signer";
/// The end marker of a certificate in a bundle.
const END: &str = "-----END CERTIFICATE-----\n";
/// The keys of the authorities' Secret.
pub(crate) const KEYS: [&str; 5] = ["ca.crt", "ca.key", "next.crt", "next.key", "retired.crt"];

/// What to issue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Issue {
    Authorities {
        signing: Slot,
        next: Option<Slot>,
        retired: Option<String>,
    },
    Leaf {
        signer: Pair,
        names: Vec<String>,
    },
    /// A certificate for all replicas of the gateway server, and the authorities that they trust.
    Peer {
        leaf: PeerLeaf,
        /// PEM.
        bundle: String,
        /// Since when all of the bundle has been trusted.
        since: Timestamp,
    },
}

/// The certificate of the replicas.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum PeerLeaf {
    Fresh {
        signer: Pair,
    },
    /// The existing certificate, and the fingerprint of its signer.
    Kept {
        leaf: Pair,
        signer: String,
    },
}

/// The key of an authority in its Secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Slot {
    Fresh,
    Kept(Pair),
}

/// A certificate and its key in PEM. `Debug` does not show the key.
#[derive(Clone, Eq, PartialEq, Serialize)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    #[serde(skip)]
    pub(crate) key: String,
}

/// A certificate to issue to the holder of a request's key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Signature {
    pub(crate) signer: Pair,
    /// The common name. The certificate has no other names, except that of its authority, whatever
    /// the request asks for.
    pub(crate) user: String,
    /// PEM.
    pub(crate) request: String,
    pub(crate) seconds: i64,
}

/// The authorities in a Secret.
#[derive(Clone, Debug)]
pub(crate) struct Authorities {
    signing: Pair,
    next: Option<Pair>,
    retired: Option<String>,
}

/// The validity period of a certificate.
#[derive(Clone, Copy, Debug)]
struct Life {
    begin: Timestamp,
    end: Timestamp,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pair")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Pair {
    /// The value by which certificates name this authority as their signer.
    pub(crate) fn fingerprint(&self) -> String {
        digest::digits(self.certificate.as_bytes())
    }
}

impl Authorities {
    /// The authorities in a Secret. `None` if none of them can sign any more.
    pub(crate) fn read(secret: &DynamicObject, now: Timestamp) -> Option<Self> {
        let valid = |pair: &Pair| life(&pair.certificate).is_some_and(|life| life.end > now);
        let [signing, signing_key, next, next_key, retired] = KEYS.map(|key| text(secret, key));
        let pair = |certificate: Option<String>, key: Option<String>| {
            let (certificate, key) = (certificate?, key?);
            Some(Pair { certificate, key })
        };
        let signing = pair(signing, signing_key).filter(valid);
        let next = pair(next, next_key).filter(valid);
        let retired = retired.and_then(|retired| still_valid(&retired, now));
        // If the signing authority has expired, the next one replaces it.
        let (signing, next) = match signing {
            Some(signing) => (signing, next),
            None => (next?, None),
        };
        Some(Self {
            signing,
            next,
            retired,
        })
    }

    /// All trusted certificates in PEM.
    pub(crate) fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| next.certificate.as_str());
        let all = [
            Some(self.signing.certificate.as_str()),
            next,
            self.retired.as_deref(),
        ];
        all.into_iter().flatten().collect()
    }

    pub(crate) fn signer(&self) -> &Pair {
        &self.signing
    }

    /// What to issue, or when to look again. `trusted` is what the hub trusts now, if anything.
    pub(crate) fn next(&self, trusted: Option<&str>, now: Timestamp) -> Result<Timestamp, Issue> {
        let Some(life_of_signing) = life(&self.signing.certificate) else {
            return Err(first(trusted, now));
        };
        let Some(next) = &self.next else {
            let due = life_of_signing.two_thirds();
            if due > now {
                return Ok(due);
            }
            return Err(Issue::Authorities {
                signing: Slot::Kept(self.signing.clone()),
                next: Some(Slot::Fresh),
                retired: self.retired.clone(),
            });
        };
        let begin = life(&next.certificate).map_or(now, |life| life.begin);
        let due = begin.checked_add(OVERLAP).unwrap_or(now);
        let is_trusted = trusted.is_none_or(|trusted| trusted == self.bundle());
        if due > now || !is_trusted {
            return Ok(due.max(now + SignedDuration::from_secs(10)));
        }
        Err(Issue::Authorities {
            signing: Slot::Kept(next.clone()),
            next: None,
            retired: Some(self.signing.certificate.clone()),
        })
    }
}

/// The first authority. What is trusted already stays trusted, because a server with an older
/// certificate may still run.
pub(crate) fn first(trusted: Option<&str>, now: Timestamp) -> Issue {
    Issue::Authorities {
        signing: Slot::Fresh,
        next: None,
        retired: trusted.and_then(|trusted| still_valid(trusted, now)),
    }
}

/// The certificates of a bundle that have not expired.
fn still_valid(bundle: &str, now: Timestamp) -> Option<String> {
    let all = bundle.split_inclusive(END);
    let valid = all.filter(|it| life(it).is_some_and(|life| life.end > now));
    Some(valid.collect()).filter(|valid: &String| !valid.is_empty())
}

/// When to replace a serving certificate. `None` if it must be replaced now.
pub(crate) fn leaf_is_good_until(
    secret: &DynamicObject,
    signer: &Pair,
    names: &[String],
    now: Timestamp,
) -> Option<Timestamp> {
    let annotations = secret.metadata.annotations.as_ref()?;
    if annotations.get(SIGNER) != Some(&signer.fingerprint()) {
        return None;
    }
    text(secret, "tls.key")?;
    let certificate = text(secret, "tls.crt")?;
    if names_of(&certificate)? != names {
        return None;
    }
    Some(life(&certificate)?.two_thirds()).filter(|due| *due > now)
}

/// The lifetime of an agent's certificate, if the request asks for `asked`.
pub(crate) fn client_seconds(asked: Option<i32>) -> i64 {
    let most = CLIENT_LIVES.as_secs();
    asked.map_or(most, |asked| most.min(asked.into()))
}

impl Life {
    fn two_thirds(self) -> Timestamp {
        let seconds = self.end.duration_since(self.begin).as_secs() / 3 * 2;
        self.begin
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap_or(self.end)
    }
}

/// The text that a Secret has under a key.
pub(crate) fn text(secret: &DynamicObject, key: &str) -> Option<String> {
    let data: std::collections::BTreeMap<String, ByteString> = part(secret, "data")?;
    String::from_utf8(data.get(key)?.0.clone()).ok()
}

fn life(pem: &str) -> Option<Life> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    Some(Life {
        begin: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        end: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
    })
}

fn names_of(pem: &str) -> Option<Vec<String>> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let extension = certificate.subject_alternative_name().ok()??;
    let names = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => Some(address(octets)?.to_string()),
            _ => None,
        });
    Some(names.collect())
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| sixteen()).ok()
}
