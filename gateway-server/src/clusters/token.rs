//! The Secret that a `ManagedServiceAccount` keeps a token in. Read in place, never copied. Pure.

use http::HeaderValue;
use k8s_openapi::api::core::v1::Secret;
use rustls::pki_types::CertificateDer;

use super::secret::{self, Fault};

/// The Secret of a `ManagedServiceAccount`.
#[derive(Debug)]
pub(super) struct TokenSecret {
    pub(super) version: Option<String>,
    pub(super) token: Result<Token, Fault>,
}

/// A token with the authorities of the API server that it is for.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) authorization: HeaderValue,
    pub(super) authorities: Vec<CertificateDer<'static>>,
}

impl TokenSecret {
    pub(super) fn read(secret: &Secret) -> Self {
        let token = || {
            Ok(Token {
                authorization: secret::bearer(secret)?,
                authorities: secret::authorities(secret)?,
            })
        };
        Self {
            version: secret.metadata.resource_version.clone(),
            token: token(),
        }
    }
}
