//! TLS towards managed clusters: verified against the credential's own CA, with a client
//! certificate if that is the credential. Skipping the verification is an explicit choice.

mod host_trust;

use std::sync::Arc;

use http::uri::Authority;
use runtime::trust;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};
use tokio::time::Instant;

/// Tickets to keep: as many as rustls keeps of one server, since there is one. Its default sets
/// aside room for 32 servers, which is 10 KiB for every managed cluster.
const SESSIONS: usize = 8;

/// TLS towards a target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tls {
    /// Who may answer.
    pub(crate) trust: Trust,
    /// The client certificate to show, if that is the credential.
    pub(crate) identity: Option<ClientIdentity>,
}

/// Who may answer as the managed cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trust {
    /// A server whose certificate is for the host that was dialled, and is from one of these or one of
    /// these itself.
    Authorities(Vec<CertificateDer<'static>>),
    /// The same, with the authorities that the gateway's host trusts.
    Host,
    /// Any server, because the cluster's Secret says so.
    Anybody,
}

/// A client certificate and its key.
#[derive(Debug)]
pub(crate) struct ClientIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// The TLS settings of one managed cluster, for pooled and for upgraded connections.
#[derive(Debug)]
pub(crate) struct TlsSettings {
    pub(crate) server_name: ServerName<'static>,
    /// Offers HTTP/2, and HTTP/1.1 to servers without it.
    pub(crate) pooled: Arc<ClientConfig>,
    /// Offers HTTP/1.1 only, since HTTP/2 has no upgrades.
    pub(crate) upgradable: Arc<ClientConfig>,
}

/// The TLS material of a managed cluster is unusable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsConfigError {
    /// The endpoint's host is neither a DNS name nor an address.
    #[error("{0:?} is not a host name that a certificate can be checked against")]
    ServerName(String),
    /// The client certificate and key do not belong together, or are of an unknown kind.
    #[error("the client certificate and key do not form a usable pair: {0}")]
    Identity(rustls::Error),
    /// The host trusts nobody.
    #[error(
        "the host of the gateway trusts no authorities: give it a bundle of them, and name its file in \
         SSL_CERT_FILE"
    )]
    NoAuthorities,
}

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.secret_der() == other.key.secret_der()
    }
}

impl Eq for ClientIdentity {}

impl TlsSettings {
    pub(crate) fn new(authority: &Authority, tls: &Tls) -> Result<Self, TlsConfigError> {
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let server_name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsConfigError::ServerName(host.to_owned()))?;
        let mut pooled = client_config(tls)?;
        let mut upgradable = pooled.clone();
        pooled.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        upgradable.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            server_name,
            pooled: Arc::new(pooled),
            upgradable: Arc::new(upgradable),
        })
    }
}

fn client_config(tls: &Tls) -> Result<ClientConfig, TlsConfigError> {
    let verifier = match &tls.trust {
        Trust::Authorities(authorities) => trust::verifier(authorities.clone()),
        Trust::Host => host_trust::verifier(Instant::now()).ok_or(TlsConfigError::NoAuthorities)?,
        Trust::Anybody => Arc::new(AcceptAnybody::new()) as Arc<dyn ServerCertVerifier>,
    };
    let builder = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &tls.identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(TlsConfigError::Identity)?,
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

/// The verifier behind [`Trust::Anybody`].
#[derive(Debug)]
struct AcceptAnybody(WebPkiSupportedAlgorithms);

impl AcceptAnybody {
    fn new() -> Self {
        let provider = CryptoProvider::get_default().expect("main installs the provider first");
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for AcceptAnybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
