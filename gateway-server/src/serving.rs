//! The certificate that the gateway serves with: that of files, or else one of its own.

use std::sync::Arc;

use futures::future::BoxFuture;
use rcgen::{CertificateParams, KeyPair};
use runtime::certificate::{CertificateError, ServingCertificate};
use rustls::{
    crypto::CryptoProvider,
    pki_types::PrivateKeyDer,
    server::ResolvesServerCert,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tracing::warn;

use crate::args::CertificateFiles;

/// A serving certificate, and what keeps it up to date.
pub(crate) struct Serving {
    pub(crate) certificate: Arc<dyn ResolvesServerCert>,
    pub(crate) following: BoxFuture<'static, ()>,
}

/// There is no serving certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServingError {
    #[error(transparent)]
    Files(#[from] CertificateError),
    #[error("cannot sign a serving certificate")]
    Signing(#[from] rcgen::Error),
    #[error("cannot use a certificate that was just signed")]
    Signed(#[from] rustls::Error),
}

/// The certificate in `files`. Without any, the process signs one itself, as the Go program does,
/// whose chart tells the hub not to verify it.
pub(crate) fn certificate(files: Option<&CertificateFiles>) -> Result<Serving, ServingError> {
    let Some(files) = files else {
        warn!(
            "no --tls-cert-file: the gateway serves with a certificate that it has signed itself, so \
             the hub can reach it only if its APIService has insecureSkipTLSVerify"
        );
        return Ok(Serving {
            certificate: Arc::new(SingleCertAndKey::from(self_signed()?)),
            following: Box::pin(std::future::pending()),
        });
    };
    let CertificateFiles {
        certificate,
        private_key,
    } = files.clone();
    let certificate = ServingCertificate::load(certificate, private_key)?;
    Ok(Serving {
        following: Box::pin(Arc::clone(&certificate).follow()),
        certificate,
    })
}

fn self_signed() -> Result<CertifiedKey, ServingError> {
    let key = KeyPair::generate()?;
    let signed = CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
    let provider = CryptoProvider::get_default()
        .expect("main installs the provider before anything makes a certificate");
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let chain = vec![signed.der().clone()];
    Ok(CertifiedKey::from_der(chain, key, provider)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_without_files_has_a_certificate_of_its_own() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key = self_signed().unwrap();
        assert_eq!(key.cert.len(), 1);
        key.keys_match().unwrap();
    }
}
