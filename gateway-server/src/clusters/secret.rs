//! From a manual-mode Secret to a managed cluster: what to show of it, and where to send its
//! requests. Pure; every fault names the key or label to mend, and none repeats a secret.

mod endpoint;

use std::str::FromStr;

use crds::{
    ClusterName, ClusterNameError,
    cluster_core::{
        ClusterAccess, ClusterEndpoint, ClusterGateway, ClusterGatewaySpec, ClusterGatewayStatus,
        ConstEndpoint, CredentialType, EndpointType, UnknownCredentialType, UnknownEndpointType,
        secret::{
            CA_CRT_KEY, CA_KEY, CREDENTIAL_TYPE_LABEL, ENDPOINT_KEY, ENDPOINT_TYPE_LABEL,
            HEALTHY_ANNOTATION, HEALTHY_REASON_ANNOTATION, INSECURE_ANNOTATION, PROXY_URL_KEY,
            TLS_CRT_KEY, TLS_KEY_KEY, TOKEN_KEY,
        },
    },
};
use http::{HeaderValue, uri::Authority};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use runtime::http_proxy::HttpProxy;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use self::endpoint::parse_endpoint;
use crate::{
    tunnels::{TunnelDialer, Tunnels},
    upstream::{ClientIdentity, Dialer, Target, Tls, Trust},
};

/// A managed cluster as its Secret defines it.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: ClusterName,
    /// What to show; absent when the labels make no sense.
    pub(super) object: Option<ClusterGateway>,
    /// Where its requests go.
    pub(super) target: Result<Box<Target>, Fault>,
}

/// What is wrong with a Secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("its name cannot be a cluster's: {0}")]
    Name(#[from] ClusterNameError),
    #[error("label {CREDENTIAL_TYPE_LABEL}: {0}")]
    CredentialType(#[from] UnknownCredentialType),
    #[error("label {ENDPOINT_TYPE_LABEL}: {0}")]
    EndpointType(#[from] UnknownEndpointType),
    #[error(
        "credential type Dynamic runs a program in the gateway, which is not supported; use a token or a certificate"
    )]
    Dynamic,
    #[error("key {0} is missing or empty")]
    Missing(&'static str),
    #[error("key {key}: {fault}")]
    Malformed { key: &'static str, fault: String },
    #[error(
        "it has no {CA_CRT_KEY}, so the cluster's API server cannot be verified; add the CA, or \
         annotate the Secret with {INSECURE_ANNOTATION}=true to go without"
    )]
    NoAuthority,
}

impl Definition {
    /// Reads a Secret. Only a name that cannot be a cluster's makes it no cluster at all; all other
    /// faults are kept, to be shown to whoever asks for the cluster.
    pub(super) fn read(secret: &Secret, tunnels: &Tunnels) -> Result<Self, Fault> {
        let name = ClusterName::from_str(secret.metadata.name.as_deref().unwrap_or_default())?;
        let (credential, endpoint) = match types(secret) {
            Ok(types) => types,
            Err(fault) => {
                return Ok(Self {
                    name,
                    object: None,
                    target: Err(fault),
                });
            }
        };
        let reached = match endpoint {
            EndpointType::Const => direct(secret),
            EndpointType::ClusterProxy => Ok(Reached {
                authority: Authority::from_static(TunnelDialer::APISERVER),
                base_path: String::new(),
                dialer: Dialer::Tunnel(TunnelDialer::apiserver(&name, tunnels)),
            }),
        };
        let target = reached.and_then(|reached| target(secret, credential, reached));
        let object = Some(object(secret, credential, endpoint, target.as_ref().err()));
        Ok(Self {
            name,
            object,
            target,
        })
    }
}

fn types(secret: &Secret) -> Result<(CredentialType, EndpointType), Fault> {
    let label = |key| {
        secret
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(key))
    };
    let credential = label(CREDENTIAL_TYPE_LABEL)
        .map_or("", String::as_str)
        .parse()?;
    let endpoint = label(ENDPOINT_TYPE_LABEL).map_or(Ok(EndpointType::Const), |it| it.parse())?;
    Ok((credential, endpoint))
}

/// Where an API server is, and how to get bytes there.
struct Reached {
    authority: Authority,
    base_path: String,
    dialer: Dialer,
}

fn direct(secret: &Secret) -> Result<Reached, Fault> {
    let malformed = |key| move |fault| Fault::Malformed { key, fault };
    let (authority, base_path) =
        parse_endpoint(text(secret, ENDPOINT_KEY)?).map_err(malformed(ENDPOINT_KEY))?;
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = authority.port_u16().unwrap_or(443);
    let dialer = match text(secret, PROXY_URL_KEY) {
        Ok(url) => {
            let proxy = HttpProxy::parse(url)
                .map_err(|fault| malformed(PROXY_URL_KEY)(fault.to_string()))?;
            Dialer::HttpConnect { proxy, host, port }
        }
        Err(_) => Dialer::Direct { host, port },
    };
    Ok(Reached {
        authority,
        base_path,
        dialer,
    })
}

fn target(
    secret: &Secret,
    credential: CredentialType,
    reached: Reached,
) -> Result<Box<Target>, Fault> {
    let (mut identity, mut authorization) = (None, None);
    match credential {
        CredentialType::ServiceAccountToken => authorization = Some(bearer(secret)?),
        CredentialType::X509Certificate => identity = Some(client_identity(secret)?),
        CredentialType::Dynamic => return Err(Fault::Dynamic),
    }
    let trust = trust(secret)?;
    let Reached {
        authority,
        base_path,
        dialer,
    } = reached;
    Ok(Box::new(Target {
        authority,
        base_path,
        dialer,
        tls: Some(Tls { trust, identity }),
        authorization,
    }))
}

fn bearer(secret: &Secret) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text(secret, TOKEN_KEY)?))
        .map_err(|_| Fault::Malformed {
            key: TOKEN_KEY,
            fault: "it has characters no token has".to_owned(),
        })?;
    value.set_sensitive(true);
    Ok(value)
}

fn client_identity(secret: &Secret) -> Result<ClientIdentity, Fault> {
    let chain = certificates(bytes(secret, TLS_CRT_KEY)?, TLS_CRT_KEY)?;
    let key = PrivateKeyDer::from_pem_slice(bytes(secret, TLS_KEY_KEY)?).map_err(|_| {
        Fault::Malformed {
            key: TLS_KEY_KEY,
            fault: "it holds no usable PEM private key".to_owned(),
        }
    })?;
    Ok(ClientIdentity { chain, key })
}

fn trust(secret: &Secret) -> Result<Trust, Fault> {
    if insecure(secret) {
        return Ok(Trust::Anybody);
    }
    let (key, pem) = match (bytes(secret, CA_CRT_KEY), bytes(secret, CA_KEY)) {
        (Ok(pem), _) => (CA_CRT_KEY, pem),
        (_, Ok(pem)) => (CA_KEY, pem),
        _ => return Err(Fault::NoAuthority),
    };
    Ok(Trust::Authorities(certificates(pem, key)?))
}

fn insecure(secret: &Secret) -> bool {
    annotation(secret, INSECURE_ANNOTATION).is_some_and(|value| value == "true")
}

fn certificates(pem: &[u8], key: &'static str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| Fault::Malformed {
            key,
            fault: "it holds no usable PEM certificate".to_owned(),
        })
}

fn bytes<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a [u8], Fault> {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    value
        .map(|ByteString(bytes)| bytes.as_slice())
        .filter(|it| !it.is_empty())
        .ok_or(Fault::Missing(key))
}

/// A key as one line of text; files and `echo` leave a newline at its end.
fn text<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a str, Fault> {
    let text = std::str::from_utf8(bytes(secret, key)?)
        .map_err(|_| Fault::Malformed {
            key,
            fault: "it is not text".to_owned(),
        })?
        .trim();
    if text.is_empty() {
        Err(Fault::Missing(key))
    } else {
        Ok(text)
    }
}

fn annotation<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    secret
        .metadata
        .annotations
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

fn object(
    secret: &Secret,
    credential: CredentialType,
    endpoint: EndpointType,
    fault: Option<&Fault>,
) -> ClusterGateway {
    let constant = (endpoint == EndpointType::Const).then(|| ConstEndpoint {
        address: text(secret, ENDPOINT_KEY).unwrap_or_default().into(),
        ca_bundle: bytes(secret, CA_CRT_KEY)
            .or_else(|_| bytes(secret, CA_KEY))
            .ok()
            .map(|pem| ByteString(pem.to_vec())),
        insecure: insecure(secret).then_some(true),
        proxy_url: text(secret, PROXY_URL_KEY).ok().map(Into::into),
    });
    let access = ClusterAccess {
        endpoint: ClusterEndpoint {
            endpoint_type: endpoint,
            constant,
        },
        credential: credential.into(),
    };
    ClusterGateway {
        metadata: metadata(&secret.metadata),
        spec: ClusterGatewaySpec {
            provider: String::new(),
            access,
        },
        status: status(secret, fault),
    }
}

/// The Secret's identity and labels. Annotations stay behind: kubectl keeps a copy of the whole
/// object, token and all, in one of them.
fn metadata(secret: &ObjectMeta) -> ObjectMeta {
    let mut labels = secret.labels.clone().unwrap_or_default();
    labels.retain(|key, _| key != CREDENTIAL_TYPE_LABEL && key != ENDPOINT_TYPE_LABEL);
    ObjectMeta {
        name: secret.name.clone(),
        uid: secret.uid.clone(),
        resource_version: secret.resource_version.clone(),
        creation_timestamp: secret.creation_timestamp.clone(),
        labels: (!labels.is_empty()).then_some(labels),
        ..ObjectMeta::default()
    }
}

/// What is known of the cluster's health: a fault that keeps every request away, else what the last
/// probe wrote, else nothing.
fn status(secret: &Secret, fault: Option<&Fault>) -> Option<ClusterGatewayStatus> {
    if let Some(fault) = fault {
        return Some(ClusterGatewayStatus {
            healthy: false,
            healthy_reason: fault.to_string(),
        });
    }
    let healthy = annotation(secret, HEALTHY_ANNOTATION)?.eq_ignore_ascii_case("true");
    let reason = annotation(secret, HEALTHY_REASON_ANNOTATION).unwrap_or_default();
    Some(ClusterGatewayStatus {
        healthy,
        healthy_reason: reason.to_owned(),
    })
}

#[cfg(test)]
pub(super) mod tests;
