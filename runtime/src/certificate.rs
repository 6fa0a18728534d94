//! A serving certificate that follows its files. cert-manager, kubelet and OCM rotate certificates
//! by replacing files. New handshakes use the new pair; open connections are not affected.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::reload;

/// A certificate chain and key that are reloaded from two PEM files.
#[derive(Debug)]
pub struct ServingCertificate {
    certificate: PathBuf,
    private_key: PathBuf,
    current: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    pem: (Vec<u8>, Vec<u8>),
    key: Arc<CertifiedKey>,
}

/// A certificate and its key could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file contains no usable PEM block of the required kind.
    #[error("{} holds no usable PEM {wanted}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The required kind.
        wanted: &'static str,
    },
    /// The two do not belong together, or the kind of the key is unknown.
    #[error("{} and {} are not a usable pair: {source}", certificate.display(), private_key.display())]
    Pair {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        private_key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
}

impl ServingCertificate {
    /// Loads the pair. Both files must be valid at this time.
    pub fn load(certificate: PathBuf, private_key: PathBuf) -> Result<Arc<Self>, CertificateError> {
        let loaded = Loaded::read(&certificate, &private_key)?;
        Ok(Arc::new(Self {
            certificate,
            private_key,
            current: RwLock::new(loaded),
        }))
    }

    /// Follows the files for as long as it is polled. If they become unusable, the last good pair
    /// stays in use.
    pub async fn follow(self: Arc<Self>) {
        reload::follow("serving certificate", || self.reload()).await;
    }

    /// Reads the files again. True if they have changed.
    fn reload(&self) -> Result<bool, CertificateError> {
        let pem = (read(&self.certificate)?, read(&self.private_key)?);
        if self.current.read().pem == pem {
            return Ok(false);
        }
        let loaded = Loaded::parse(pem, &self.certificate, &self.private_key)?;
        *self.current.write() = loaded;
        Ok(true)
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().key))
    }
}

impl Loaded {
    fn read(certificate: &Path, private_key: &Path) -> Result<Self, CertificateError> {
        Self::parse(
            (read(certificate)?, read(private_key)?),
            certificate,
            private_key,
        )
    }

    fn parse(
        pem: (Vec<u8>, Vec<u8>),
        certificate: &Path,
        private_key: &Path,
    ) -> Result<Self, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.0)
            .collect::<Result<_, _>>()
            .ok()
            .filter(|chain: &Vec<_>| !chain.is_empty())
            .ok_or_else(|| CertificateError::Pem {
                path: certificate.to_owned(),
                wanted: "certificate",
            })?;
        let key = PrivateKeyDer::from_pem_slice(&pem.1).map_err(|_| CertificateError::Pem {
            path: private_key.to_owned(),
            wanted: "private key",
        })?;
        let provider = CryptoProvider::get_default()
            .expect("main installs the provider before anything loads a certificate");
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|source| {
            CertificateError::Pair {
                certificate: certificate.to_owned(),
                private_key: private_key.to_owned(),
                source,
            }
        })?;
        Ok(Self {
            pem,
            key: Arc::new(key),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
        fs::write(&certificate, issued.cert.pem()).unwrap();
        fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    }

    fn leaf(certificate: &ServingCertificate) -> Vec<u8> {
        certificate.current.read().key.cert[0].to_vec()
    }

    #[test]
    fn follows_a_rotation_and_survives_a_half_written_one() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = write_pair(directory.path(), "first");
        let serving = ServingCertificate::load(certificate, key.clone()).unwrap();
        let first = leaf(&serving);
        assert!(!serving.reload().unwrap());

        fs::write(&key, "half").unwrap();
        assert!(matches!(
            serving.reload(),
            Err(CertificateError::Pem { .. })
        ));
        assert_eq!(leaf(&serving), first);

        write_pair(directory.path(), "second");
        assert!(serving.reload().unwrap());
        assert_ne!(leaf(&serving), first);
    }

    #[test]
    fn refuses_a_key_of_another_certificate() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = write_pair(directory.path(), "first");
        let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
        fs::write(&key, other.signing_key.serialize_pem()).unwrap();
        let refused = ServingCertificate::load(certificate, key).unwrap_err();
        assert!(
            matches!(refused, CertificateError::Pair { .. }),
            "{refused}"
        );
    }
}
