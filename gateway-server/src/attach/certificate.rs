//! Whose certificates agents may show at the tunnel port, and what a certificate says: its common
//! name is the user name that the hub would have given the agent. A certificate that was issued
//! before its cluster was registered is that of another cluster, which had the name before.

use std::{fs, io, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use crds::ClusterName;
use jiff::{SignedDuration, Timestamp};
use runtime::reload;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tunnels::identity::speaks_for;

/// How much later than a certificate its cluster may be registered. Certificates are valid a little
/// before they are issued, and clocks differ.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// The authority of agents' certificates, kept equal to a PEM file.
#[derive(Debug)]
pub(crate) struct AgentAuthority {
    path: PathBuf,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    pem: Vec<u8>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// The holder of a certificate.
#[derive(Debug)]
pub(super) struct Holder {
    /// The managed cluster that it speaks for.
    pub(super) cluster: ClusterName,
    issued: Timestamp,
}

/// The authority cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} contains no usable PEM certificate of a CA: {fault}", path.display())]
    Pem { path: PathBuf, fault: String },
}

/// A certificate does not say which managed cluster its holder speaks for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("it presented no certificate")]
    Absent,
    #[error("{0}")]
    Untrusted(#[from] rustls::Error),
    #[error("its common name {0:?} is not that of a managed cluster's agent")]
    Name(String),
}

impl AgentAuthority {
    pub(crate) fn load(path: PathBuf) -> Result<Arc<Self>, AuthorityError> {
        let current = Current::read(&path)?;
        Ok(Arc::new(Self {
            path,
            current: ArcSwap::from_pointee(current),
        }))
    }

    /// Follows the file for as long as it is polled. If it becomes unusable, the last good content
    /// stays in use.
    pub(crate) async fn follow(self: Arc<Self>) {
        reload::follow("CA of the agents' certificates", || self.reload()).await;
    }

    /// Reads the file again. True if it has changed.
    fn reload(&self) -> Result<bool, AuthorityError> {
        let read = Current::read(&self.path)?;
        let has_changed = read.pem != self.current.load().pem;
        if has_changed {
            self.current.store(Arc::new(read));
        }
        Ok(has_changed)
    }

    /// Who holds a certificate, at this time.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Holder, CertificateError> {
        let (leaf, intermediates) = chain.split_first().ok_or(CertificateError::Absent)?;
        self.current
            .load()
            .verifier
            .verify_client_cert(leaf, intermediates, now)?;
        let (name, issued) = read(leaf).unwrap_or_default();
        let cluster = speaks_for(&name).ok_or(CertificateError::Name(name))?;
        Ok(Holder { cluster, issued })
    }
}

impl Holder {
    /// Whether the certificate can be that of a cluster that was registered at that time.
    pub(super) fn is_of_cluster_since(&self, registered: Timestamp) -> bool {
        registered.duration_since(self.issued) <= SLACK
    }
}

impl Current {
    fn read(path: &PathBuf) -> Result<Self, AuthorityError> {
        let pem = fs::read(path).map_err(|source| AuthorityError::Read {
            path: path.clone(),
            source,
        })?;
        let unusable = |fault: String| AuthorityError::Pem {
            path: path.clone(),
            fault,
        };
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&pem) {
            let authority = authority.map_err(|fault| unusable(fault.to_string()))?;
            roots
                .add(authority)
                .map_err(|fault| unusable(fault.to_string()))?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .map_err(|fault| unusable(fault.to_string()))?;
        Ok(Self { pem, verifier })
    }
}

/// The common name, and when the certificate was issued.
fn read(certificate: &CertificateDer<'_>) -> Option<(String, Timestamp)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let issued = Timestamp::from_second(parsed.validity().not_before.timestamp()).ok()?;
    let name = parsed
        .subject()
        .iter_common_name()
        .find_map(|name| name.as_str().ok())?;
    Some((name.to_owned(), issued))
}

/// Tests a certificate in DER. See [`crate::fuzz`].
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some((name, _)) = read(&CertificateDer::from(bytes)) else {
        return;
    };
    if let Some(cluster) = speaks_for(&name) {
        let mut parts = name.split(':');
        assert!(parts.any(|part| part == cluster.as_ref()), "{name}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_from_before_its_cluster_is_that_of_another_one() {
        let holder = Holder {
            cluster: "managed1".parse().unwrap(),
            issued: Timestamp::UNIX_EPOCH,
        };
        let after = |seconds| Timestamp::from_second(seconds).unwrap();
        // The operator issues certificates two minutes into the past, and clocks differ.
        for registered in [-100_000, 0, 120, 299] {
            assert!(
                holder.is_of_cluster_since(after(registered)),
                "{registered}"
            );
        }
        for registered in [301, 100_000] {
            assert!(
                !holder.is_of_cluster_since(after(registered)),
                "{registered}"
            );
        }
    }
}
