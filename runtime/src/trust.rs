//! Which certificates of servers are accepted, as Go's clients do it: one that an authority has issued,
//! and one that is itself among those that are trusted. The second is refused by webpki alone: a
//! self-signed certificate as `openssl req -x509` makes it is a CA, and no CA may be a server there.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a PEM bundle. Text around them and blocks that are no usable certificate are
/// passed over, as Go's `AppendCertsFromPEM` does it.
pub fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    let text = String::from_utf8_lossy(pem);
    let blocks = text.split(BEGIN).skip(1);
    let certificates = blocks.filter_map(|block| {
        let (body, _) = block.split_once(END)?;
        let lines = body.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        let block = format!("{BEGIN}\n{lines}\n{END}\n");
        CertificateDer::from_pem_slice(block.as_bytes()).ok()
    });
    certificates.filter(is_usable).collect()
}

/// The authorities that this host trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
pub fn of_the_host() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

fn is_usable(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok()
}

/// A verifier that trusts these certificates. One that is unusable vouches for nobody.
pub fn verifier(trusted: Vec<CertificateDer<'static>>) -> Arc<dyn ServerCertVerifier> {
    let mut issuers = RootCertStore::empty();
    issuers.add_parsable_certificates(trusted.iter().cloned());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let issuers = WebPkiServerVerifier::builder_with_provider(Arc::new(issuers), provider).build();
    Arc::new(Verifier {
        trusted,
        // It fails if there are no issuers.
        issuers: issuers.ok(),
        algorithms,
    })
}

#[derive(Debug)]
struct Verifier {
    trusted: Vec<CertificateDer<'static>>,
    issuers: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trusted.iter().any(|trusted| trusted == end_entity) {
            return verify_trusted(end_entity, server_name, now);
        }
        let Some(issuers) = &self.issuers else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        issuers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Nobody has to vouch for the certificate, but it must be one of this server, for servers, and in
/// its time.
fn verify_trusted(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let (_, read) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < read.validity().not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > read.validity().not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    let usage = read.extended_key_usage();
    let usage = usage.map_err(|_| CertificateError::BadEncoding)?;
    if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
    Ok(ServerCertVerified::assertion())
}

#[cfg(test)]
mod tests;
