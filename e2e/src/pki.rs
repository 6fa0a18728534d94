//! Certificates for every role on loopback. They are created when needed, with P-256 keys, which
//! are the fastest to create.
//!
//! An [`Authority`] issues certificates; a [`Leaf`] describes one. Tests that need a wrong CA
//! create another authority. Tests that need an expired certificate ask for it on the leaf.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// A second `O` in one subject. rcgen keeps one value per attribute type, and for it this one,
/// given by its OID, is a different type than `OrganizationName`.
const ORGANIZATION_OID: [u64; 4] = [2, 5, 4, 10];

/// Why a certificate could not be created.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name that no certificate can contain, or a key that cannot be created.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A subject can have two organizations at most.
    #[error("a client certificate of this harness carries at most two groups, not {0}")]
    TooManyGroups(usize),
}

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, without its chain.
    pub certificate: String,
    /// The key, PKCS #8.
    pub key: String,
}

/// A key pair without a certificate, both PEM. It signs and verifies service-account tokens.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// The private key, PKCS #8.
    pub private: String,
    /// The public key, SPKI.
    pub public: String,
}

/// The content of an end-entity certificate.
#[derive(Clone, Debug)]
pub struct Leaf {
    common_name: String,
    organizations: Vec<String>,
    sans: Vec<String>,
    usages: Vec<ExtendedKeyUsagePurpose>,
    not_after: Option<SystemTime>,
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Leaf {
    /// A serving certificate for DNS names and IP addresses.
    pub fn server(sans: &[&str]) -> Self {
        let common_name = (*sans.first().unwrap_or(&"server")).to_owned();
        let sans = sans.iter().map(|&san| san.to_owned()).collect();
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Self {
            common_name,
            organizations: Vec::new(),
            sans,
            usages,
            not_after: None,
        }
    }

    /// A client certificate. Kubernetes uses the common name as the user and the organizations as
    /// groups.
    pub fn client(user: &str, groups: &[&str]) -> Self {
        Self {
            common_name: user.to_owned(),
            organizations: groups.iter().map(|&group| group.to_owned()).collect(),
            sans: Vec::new(),
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            not_after: None,
        }
    }

    /// A certificate for both ends of a connection, as replicas of a gateway have it.
    pub fn peer(name: &str) -> Self {
        let mut leaf = Self::server(&[name]);
        leaf.usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        leaf
    }

    /// Limits the validity, to the second. Without it the certificate outlives every test.
    pub fn not_after(self, end: SystemTime) -> Self {
        Self {
            not_after: Some(end),
            ..self
        }
    }

    /// Makes the certificate one that expired long ago.
    pub fn expired(self) -> Self {
        self.not_after(SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 40))
    }
}

impl Authority {
    /// A self-signed authority.
    pub fn new(common_name: &str) -> Result<Self, PkiError> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// Its own certificate, PEM.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// Its own private key, PEM.
    pub fn key(&self) -> String {
        self.0.key().serialize_pem()
    }

    /// Signs a certificate as `leaf` describes it, with a fresh key.
    pub fn issue(&self, leaf: &Leaf) -> Result<Identity, PkiError> {
        let key = KeyPair::generate()?;
        let certificate = leaf_params(leaf)?.signed_by(&key, &self.0)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A serving certificate.
    pub fn issue_server(&self, sans: &[&str]) -> Result<Identity, PkiError> {
        self.issue(&Leaf::server(sans))
    }

    /// A client certificate.
    pub fn issue_client(&self, user: &str, groups: &[&str]) -> Result<Identity, PkiError> {
        self.issue(&Leaf::client(user, groups))
    }
}

impl SigningKey {
    /// A fresh key pair.
    pub fn generate() -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        Ok(Self {
            private: key.serialize_pem(),
            public: key.public_key_pem(),
        })
    }
}

fn leaf_params(leaf: &Leaf) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, leaf.common_name.as_str());
    let types = [
        DnType::OrganizationName,
        DnType::CustomDnType(ORGANIZATION_OID.to_vec()),
    ];
    if leaf.organizations.len() > types.len() {
        return Err(PkiError::TooManyGroups(leaf.organizations.len()));
    }
    for (kind, organization) in types.into_iter().zip(&leaf.organizations) {
        params.distinguished_name.push(kind, organization.as_str());
    }
    for san in &leaf.sans {
        params.subject_alt_names.push(match san.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(san.as_str().try_into()?),
        });
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages.clone_from(&leaf.usages);
    params.use_authority_key_identifier_extension = true;
    if let Some(end) = leaf.not_after {
        let since = end
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(since.as_secs());
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_carries_two_groups_and_refuses_a_third() {
        let authority = Authority::new("ca").unwrap();
        authority.issue_client("alice", &["dev", "ops"]).unwrap();
        let error = authority
            .issue_client("alice", &["a", "b", "c"])
            .unwrap_err();
        assert!(matches!(error, PkiError::TooManyGroups(3)));
    }
}
