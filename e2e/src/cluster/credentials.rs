//! The credentials of a user of a cluster, and the kubeconfig and client with them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Client, Config,
    config::{AuthInfo, Kubeconfig},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;

use crate::pki::Identity;

/// How a client authenticates.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A client certificate.
    Certificate(Identity),
    /// A bearer token.
    Token(String),
    /// No credential.
    Anonymous,
}

/// A kubeconfig with one context. `server` may have a path, such as the gateway's proxy suffix.
pub(super) fn kubeconfig(server: &str, ca_pem: &str, credentials: &Credentials) -> Kubeconfig {
    let user = match credentials {
        Credentials::Certificate(identity) => json!({
            "client-certificate-data": STANDARD.encode(&identity.certificate),
            "client-key-data": STANDARD.encode(&identity.key),
        }),
        Credentials::Token(token) => json!({"token": token}),
        Credentials::Anonymous => json!({}),
    };
    let cluster = json!({"server": server, "certificate-authority-data": STANDARD.encode(ca_pem)});
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": "e2e", "user": user}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        "current-context": "e2e",
    });
    serde_json::from_value(config).expect("a kubeconfig of the type's own shape")
}

/// A client that never retries by itself, because a test that expects a 503 must see it.
pub(crate) fn client(server: &str, ca_pem: &str, credentials: &Credentials) -> Client {
    let mut config = Config::new(server.parse().expect("our own URL parses"));
    let roots = CertificateDer::pem_slice_iter(ca_pem.as_bytes());
    let roots = roots
        .map(|der| der.expect("our own PEM parses").to_vec())
        .collect();
    config.root_cert = Some(roots);
    config.default_retry = false;
    config.auth_info = match credentials {
        Credentials::Certificate(identity) => AuthInfo {
            client_certificate_data: Some(STANDARD.encode(&identity.certificate)),
            client_key_data: Some(STANDARD.encode(&identity.key).into()),
            ..AuthInfo::default()
        },
        Credentials::Token(token) => AuthInfo {
            token: Some(token.clone().into()),
            ..AuthInfo::default()
        },
        Credentials::Anonymous => AuthInfo::default(),
    };
    Client::try_from(config).expect("credentials that we made are well formed")
}
