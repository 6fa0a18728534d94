//! The certificate by which replicas authenticate each other: one for all of them, with one DNS
//! name, from a CA that signs nothing else. It is reloaded when its files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use crds::gateway::PEER_NAME;
use runtime::reload;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
};

/// The TLS ALPN name of this use of the tunnel protocol. It differs from the agents' name, so that
/// no agent's connection is mistaken for a replica's.
const PROTOCOL: &[u8] = b"spokeway-peer";
/// Certificate, key and CA, kept up to date with three PEM files.
#[derive(Debug)]
pub(super) struct PeerTls {
    files: Files,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    private_key: PathBuf,
    authority: PathBuf,
}

#[derive(Debug)]
struct Current {
    pem: [Vec<u8>; 3],
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// Why the certificate, key or CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerTlsError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} contains no usable PEM {wanted}: {fault}", path.display())]
    Pem {
        path: PathBuf,
        wanted: &'static str,
        fault: String,
    },
}

impl PeerTls {
    pub(super) fn load(
        certificate: PathBuf,
        private_key: PathBuf,
        authority: PathBuf,
    ) -> Result<Arc<Self>, PeerTlsError> {
        let files = Files {
            certificate,
            private_key,
            authority,
        };
        let current = ArcSwap::from_pointee(files.load(files.read()?)?);
        Ok(Arc::new(Self { files, current }))
    }

    /// Follows the files for as long as it is polled. If they become unusable, the last good
    /// content stays in use.
    pub(super) async fn follow(self: Arc<Self>) {
        reload::follow("certificate of the replicas", || self.reload()).await;
    }

    /// Reads the files again. True if they have changed.
    fn reload(&self) -> Result<bool, PeerTlsError> {
        let pem = self.files.read()?;
        if pem == self.current.load().pem {
            return Ok(false);
        }
        self.current.store(Arc::new(self.files.load(pem)?));
        Ok(true)
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().server)
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.load().client)
    }
}

/// The DNS name that every replica's certificate must have.
pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from(PEER_NAME).expect("a constant that is a DNS name")
}

/// Checks that the holder of a certificate is a replica. The chain must have been verified already.
pub(super) fn is_replica(chain: Option<&[CertificateDer<'_>]>) -> Result<(), rustls::Error> {
    let leaf = chain.and_then(<[_]>::first);
    let leaf = leaf.ok_or(rustls::Error::NoCertificatesPresented)?;
    verify_server_name(&ParsedCertificate::try_from(leaf)?, &name())
}

impl Files {
    fn read(&self) -> Result<[Vec<u8>; 3], PeerTlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| PeerTlsError::Read {
                path: path.to_owned(),
                source,
            })
        };
        Ok([
            read(&self.certificate)?,
            read(&self.private_key)?,
            read(&self.authority)?,
        ])
    }

    fn load(&self, pem: [Vec<u8>; 3]) -> Result<Current, PeerTlsError> {
        let bad = |path: &Path, wanted| {
            let path = path.to_owned();
            move |fault: String| PeerTlsError::Pem {
                path,
                wanted,
                fault,
            }
        };
        let [chain, key, authority] = &pem;
        let chain = certificates(chain).map_err(bad(&self.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|fault| bad(&self.private_key, "private key")(fault.to_string()))?;
        let roots = roots(authority).map_err(bad(&self.authority, "certificate of a CA"))?;
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots.clone()))
            .build()
            .map_err(|fault| bad(&self.authority, "certificate of a CA")(fault.to_string()))?;
        let pair = |fault: rustls::Error| bad(&self.private_key, "pair")(fault.to_string());
        let mut server = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(pair)?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(pair)?;
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Current {
            pem,
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(none) if none.is_empty() => Err("there is none in it".to_owned()),
        read => read.map_err(|fault| fault.to_string()),
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem)? {
        roots.add(authority).map_err(|fault| fault.to_string())?;
    }
    Ok(roots)
}
