//! An authority of client certificates, and what a certificate of it says. Pure.

use std::{sync::Arc, time::Duration};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::error::PeerError;

/// An authority of client certificates.
#[derive(Debug)]
pub(super) struct Issuer(Arc<dyn ClientCertVerifier>);

/// What a certificate says of its owner.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) common_name: String,
    pub(super) organizations: Vec<String>,
    /// When it expires.
    pub(super) until: UnixTime,
}

impl Issuer {
    /// Reads a PEM bundle. The error says what is wrong with it.
    pub(super) fn read(pem: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let authority = authority.map_err(|error| error.to_string())?;
            roots.add(authority).map_err(|error| error.to_string())?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        verifier.map(Self).map_err(|error| error.to_string())
    }

    /// One that has issued nothing.
    pub(super) fn none() -> Self {
        Self(WebPkiClientVerifier::no_client_auth())
    }

    /// Checks a certificate chain.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Subject, PeerError> {
        let untrusted = |error: &dyn std::fmt::Display| PeerError::Untrusted(error.to_string());
        let (leaf, intermediates) = chain.split_first().ok_or(PeerError::NoCertificate)?;
        self.0
            .verify_client_cert(leaf, intermediates, now)
            .map_err(|error| untrusted(&error))?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| untrusted(&error))?;
        let subject = parsed.subject();
        let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            attribute.as_str().ok().map(str::to_owned)
        };
        let until = parsed.validity().not_after.timestamp();
        let until = Duration::from_secs(until.try_into().unwrap_or_default());
        Ok(Subject {
            common_name: subject
                .iter_common_name()
                .find_map(text)
                .unwrap_or_default(),
            organizations: subject.iter_organization().filter_map(text).collect(),
            until: UnixTime::since_unix_epoch(until),
        })
    }
}
