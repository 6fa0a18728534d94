//! Whose certificates agents may show at the tunnel port, and what a certificate says: its common
//! name is the user name that the hub would have given the agent.

use std::{fs, io, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use crds::ClusterName;
use runtime::reload;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tunnels::identity::speaks_for;

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

    /// The managed cluster that the holder of a certificate speaks for, at this time.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClusterName, CertificateError> {
        let (leaf, intermediates) = chain.split_first().ok_or(CertificateError::Absent)?;
        self.current
            .load()
            .verifier
            .verify_client_cert(leaf, intermediates, now)?;
        let name = common_name(leaf).unwrap_or_default();
        speaks_for(&name).ok_or(CertificateError::Name(name))
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

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed
        .subject()
        .iter_common_name()
        .find_map(|name| name.as_str().ok())?;
    Some(name.to_owned())
}
