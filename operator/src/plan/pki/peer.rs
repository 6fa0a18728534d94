//! The Secret by which the replicas of the gateway server know each other: one certificate for all
//! of them, and the authorities that they trust. Pure.
//!
//! Every replica is a client and a server of such links, and each reads the Secret at a different
//! time. Therefore, a certificate of a new authority is issued only after that authority has been
//! in the bundle long enough for every replica to read it.

use crds::gateway::PEER_NAME;
use jiff::Timestamp;
use kube::core::DynamicObject;

use super::{
    Authorities, END, Issue, OVERLAP, Pair, PeerLeaf, SIGNER, leaf_is_good_until, life, text,
};

/// The key of the authorities in that Secret.
pub(crate) const BUNDLE: &str = "ca.crt";
/// Annotation of that Secret: since when all authorities of the bundle have been in it.
pub(crate) const SINCE: &str = "gateway.open-cluster-management.io/trusted-since";

/// The contents of the Secret.
struct Held {
    leaf: Pair,
    signer: String,
    bundle: String,
    since: Timestamp,
}

/// What to issue, or when to look again.
pub(crate) fn next(
    secret: Option<&DynamicObject>,
    authorities: &Authorities,
    now: Timestamp,
) -> Result<Timestamp, Issue> {
    let (bundle, signer) = (authorities.bundle(), authorities.signer());
    let fresh = |bundle, since| Issue::Peer {
        leaf: PeerLeaf::Fresh {
            signer: signer.clone(),
        },
        bundle,
        since,
    };
    let held = secret.and_then(|secret| Some((secret, Held::read(secret)?)));
    let Some((secret, held)) = held else {
        return Err(fresh(bundle, now));
    };
    let since = held.trusts_since(&bundle, now);
    let good = leaf_is_good_until(secret, signer, &names(), now);
    let Some(look_again) = good.or_else(|| held.waits_until(signer, since, now)) else {
        return Err(fresh(bundle, since));
    };
    if held.bundle == bundle {
        return Ok(look_again);
    }
    let Held { leaf, signer, .. } = held;
    Err(Issue::Peer {
        leaf: PeerLeaf::Kept { leaf, signer },
        bundle,
        since,
    })
}

/// The names in the certificate.
pub(crate) fn names() -> [String; 1] {
    [PEER_NAME.to_owned()]
}

impl Held {
    /// `None` if a part of the Secret is missing.
    fn read(secret: &DynamicObject) -> Option<Self> {
        let annotations = secret.metadata.annotations.as_ref()?;
        Some(Self {
            leaf: Pair {
                certificate: text(secret, "tls.crt")?,
                key: text(secret, "tls.key")?,
            },
            signer: annotations.get(SIGNER)?.clone(),
            bundle: text(secret, BUNDLE)?,
            since: annotations.get(SINCE)?.parse().ok()?,
        })
    }

    /// Since when every authority of a bundle has been trusted.
    fn trusts_since(&self, bundle: &str, now: Timestamp) -> Timestamp {
        let mut wanted = bundle.split_inclusive(END);
        if wanted.all(|certificate| self.bundle.contains(certificate)) {
            self.since
        } else {
            now
        }
    }

    /// How long the existing certificate stays because some replica may not trust the new signer
    /// yet.
    fn waits_until(&self, signer: &Pair, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let is_valid = life(&self.leaf.certificate).is_some_and(|life| life.end > now);
        let is_of_other = self.signer != signer.fingerprint();
        let end = since.checked_add(OVERLAP).ok()?;
        Some(end).filter(|end| is_valid && is_of_other && *end > now)
    }
}
