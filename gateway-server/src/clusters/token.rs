//! The token that a `ManagedServiceAccount` keeps in a Secret. Read in place, never copied. Pure.

use http::HeaderValue;
use k8s_openapi::api::core::v1::Secret;
use rustls::pki_types::CertificateDer;

use super::secret::{self, Fault};

/// A token with the authorities of the API server that it is for.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) authorization: HeaderValue,
    pub(super) authorities: Vec<CertificateDer<'static>>,
}

impl Token {
    pub(super) fn read(secret: &Secret) -> Result<Self, Fault> {
        Ok(Self {
            authorization: secret::bearer(secret)?,
            authorities: secret::authorities(secret)?,
        })
    }
}
