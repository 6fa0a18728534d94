//! From a manual-mode Secret to a managed cluster: what to show of it, and where to send its
//! requests. Pure; every fault names the key or label to fix, and none contains a secret.

mod endpoint;

use crds::{
    ClusterName,
    cluster_core::{
        ClusterAccess, ClusterEndpoint, ClusterGateway, ClusterGatewaySpec, ClusterGatewayStatus,
        ConstEndpoint, CredentialType, EndpointType, UnknownCredentialType, UnknownEndpointType,
        secret::{
            CA_CRT_KEY, CA_KEY, CREDENTIAL_TYPE_LABEL, ENDPOINT_KEY, ENDPOINT_TYPE_LABEL,
            HEALTHY_ANNOTATION, HEALTHY_REASON_ANNOTATION, HOST_TRUST_ANNOTATION,
            INSECURE_ANNOTATION, PROXY_URL_KEY, TLS_CRT_KEY, TLS_KEY_KEY, TOKEN_KEY,
        },
    },
};
use http::{HeaderValue, uri::Authority};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use runtime::{proxy::ProxyUrlError, trust};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use self::endpoint::parse_endpoint;
use super::{
    definition::{Definition, Means, Unusable},
    listing::Listing,
};
use crate::{
    tunnels::{TunnelDialer, Tunnels},
    upstream::{ClientIdentity, Dialer, Reach, Target, Tls, Trust},
    way::Places,
};

/// What is wrong with a Secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
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
         annotate the Secret with {HOST_TRUST_ANNOTATION}=true if its certificate is a public one, or \
         with {INSECURE_ANNOTATION}=true to skip the verification"
    )]
    NoAuthority,
    #[error(
        "it has a {CA_CRT_KEY} and the annotation {HOST_TRUST_ANNOTATION}=true; remove one of them, because \
         only one can say who vouches for the cluster's API server"
    )]
    TwoAuthorities,
}

/// Reads the Secret of a cluster. Its faults are kept and shown to callers who ask for the cluster.
pub(super) fn read(cluster: &ClusterName, secret: &Secret, tunnels: &Tunnels) -> Definition {
    let (object, means) = match types(secret) {
        Ok((credential, endpoint)) => {
            let means = unsecured(cluster, secret, endpoint, tunnels)
                .and_then(|reached| means(secret, credential, reached));
            let object = object(secret, credential, endpoint, means.as_ref().err());
            (Some(object), means)
        }
        Err(fault) => (None, Err(fault)),
    };
    let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
    Definition {
        object,
        addresses: Vec::new(),
        listing: Listing::of_secret(&secret.metadata, text(secret, ENDPOINT_KEY).ok()),
        version: String::new(),
        registered: None,
        means: means.map_err(|fault| Unusable::Secret {
            secret: format!("{namespace}/{cluster}"),
            fault: fault.to_string(),
        }),
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

/// An address of an API server.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) authority: Authority,
    pub(super) base_path: String,
    pub(super) host: String,
    pub(super) port: u16,
}

/// Takes the URL of an API server apart.
pub(super) fn parse_reached(url: &str) -> Result<Reached, String> {
    let (authority, base_path) = parse_endpoint(url)?;
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = authority.port_u16().unwrap_or(443);
    Ok(Reached {
        authority,
        base_path,
        host,
        port,
    })
}

/// The address of the API server, without TLS settings.
fn unsecured(
    cluster: &ClusterName,
    secret: &Secret,
    endpoint: EndpointType,
    tunnels: &Tunnels,
) -> Result<Target, Fault> {
    match endpoint {
        EndpointType::Const => direct(secret),
        EndpointType::ClusterProxy => Ok(Target {
            authority: Authority::from_static(TunnelDialer::APISERVER),
            base_path: String::new(),
            dialer: Dialer::Tunnel(TunnelDialer::apiserver(cluster, tunnels)),
            tls: None,
        }),
    }
}

fn direct(secret: &Secret) -> Result<Target, Fault> {
    let malformed = |key| move |fault| Fault::Malformed { key, fault };
    let reached = parse_reached(text(secret, ENDPOINT_KEY)?).map_err(malformed(ENDPOINT_KEY))?;
    let Reached {
        authority,
        base_path,
        host,
        port,
    } = reached;
    let dialer = match text(secret, PROXY_URL_KEY) {
        Ok(url) => {
            let proxy = url
                .parse()
                .map_err(|fault: ProxyUrlError| malformed(PROXY_URL_KEY)(fault.to_string()))?;
            Dialer::Proxy { proxy, host, port }
        }
        Err(_) => Dialer::Direct {
            host,
            port,
            reach: Reach::Anywhere,
        },
    };
    Ok(Target {
        authority,
        base_path,
        dialer,
        tls: None,
    })
}

fn means(secret: &Secret, credential: CredentialType, mut target: Target) -> Result<Means, Fault> {
    let (mut identity, mut authorization) = (None, None);
    match credential {
        CredentialType::ServiceAccountToken => authorization = Some(bearer(secret)?),
        CredentialType::X509Certificate => identity = Some(client_identity(secret)?),
        CredentialType::Dynamic => return Err(Fault::Dynamic),
    }
    let trust = trust(secret)?;
    if let (Dialer::Proxy { proxy, .. }, Trust::Authorities(authorities)) =
        (&mut target.dialer, &trust)
    {
        // A Go client verifies a proxy with the authorities of the cluster, too.
        *proxy = proxy.clone().trusting(authorities.iter().cloned());
    }
    target.tls = Some(Tls { trust, identity });
    let places = match target.dialer {
        Dialer::Tunnel(_) => Places {
            tunnel: Some(target),
            direct: Vec::new(),
        },
        Dialer::Direct { .. } | Dialer::Proxy { .. } => Places {
            tunnel: None,
            direct: vec![target],
        },
    };
    Ok(Means {
        places,
        authorization,
        renewed: false,
    })
}

/// The `Authorization` header that the token makes.
pub(super) fn bearer(secret: &Secret) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text(secret, TOKEN_KEY)?))
        .map_err(|_| Fault::Malformed {
            key: TOKEN_KEY,
            fault: "it has characters that no token has".to_owned(),
        })?;
    value.set_sensitive(true);
    Ok(value)
}

fn client_identity(secret: &Secret) -> Result<ClientIdentity, Fault> {
    let chain = certificates(bytes(secret, TLS_CRT_KEY)?, TLS_CRT_KEY)?;
    let key = PrivateKeyDer::from_pem_slice(bytes(secret, TLS_KEY_KEY)?).map_err(|_| {
        Fault::Malformed {
            key: TLS_KEY_KEY,
            fault: "it contains no usable PEM private key".to_owned(),
        }
    })?;
    Ok(ClientIdentity { chain, key })
}

fn trust(secret: &Secret) -> Result<Trust, Fault> {
    if insecure(secret) {
        return Ok(Trust::Anybody);
    }
    let authorities = authorities_of_either_key(secret);
    if !trusts_host(&secret.metadata) {
        return authorities.map(Trust::Authorities);
    }
    match authorities {
        Err(Fault::NoAuthority) => Ok(Trust::Host),
        _ => Err(Fault::TwoAuthorities),
    }
}

/// The authorities in `ca.crt`.
pub(super) fn authorities(secret: &Secret) -> Result<Vec<CertificateDer<'static>>, Fault> {
    bundle(bytes(secret, CA_CRT_KEY)?, CA_CRT_KEY)
}

fn authorities_of_either_key(secret: &Secret) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let (key, pem) = match (bytes(secret, CA_CRT_KEY), bytes(secret, CA_KEY)) {
        (Ok(pem), _) => (CA_CRT_KEY, pem),
        (_, Ok(pem)) => (CA_KEY, pem),
        _ => return Err(Fault::NoAuthority),
    };
    bundle(pem, key)
}

/// The certificates of a bundle of authorities, at least one.
pub(super) fn bundle(pem: &[u8], key: &'static str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let certificates = trust::certificates(pem);
    if certificates.is_empty() {
        return Err(no_certificate(key));
    }
    Ok(certificates)
}

fn no_certificate(key: &'static str) -> Fault {
    Fault::Malformed {
        key,
        fault: "it contains no usable PEM certificate".to_owned(),
    }
}

fn insecure(secret: &Secret) -> bool {
    says_true(&secret.metadata, INSECURE_ANNOTATION)
}

/// Whether the object lets the authorities vouch for its API server that the gateway's host trusts.
pub(super) fn trusts_host(metadata: &ObjectMeta) -> bool {
    says_true(metadata, HOST_TRUST_ANNOTATION)
}

fn says_true(metadata: &ObjectMeta, key: &str) -> bool {
    annotation(metadata, key).is_some_and(|value| value == "true")
}

/// The certificates of a chain, at least one.
fn certificates(pem: &[u8], key: &'static str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| no_certificate(key))
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

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
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
        creation_timestamp: secret.creation_timestamp.clone(),
        labels: (!labels.is_empty()).then_some(labels),
        ..ObjectMeta::default()
    }
}

/// What is known of the cluster's health: a fault that keeps every request away, else what the last
/// probe wrote, else nothing.
fn status(secret: &Secret, fault: Option<&Fault>) -> Option<ClusterGatewayStatus> {
    if let Some(fault) = fault {
        return Some(ClusterGatewayStatus::unhealthy(fault.to_string()));
    }
    let healthy = annotation(&secret.metadata, HEALTHY_ANNOTATION)?.eq_ignore_ascii_case("true");
    let reason = annotation(&secret.metadata, HEALTHY_REASON_ANNOTATION).unwrap_or_default();
    Some(ClusterGatewayStatus {
        healthy,
        healthy_reason: reason.to_owned(),
        ..ClusterGatewayStatus::default()
    })
}

/// Tests a Secret. See [`crate::fuzz`].
pub(crate) fn fuzz(secret: &Secret) {
    let cluster = "managed1".parse().expect("it is a DNS label");
    let definition = read(&cluster, secret, &Tunnels::new(0, 0));
    let Err(fault) = definition.means else {
        return;
    };
    let Ok(token) = text(secret, TOKEN_KEY) else {
        return;
    };
    let mut others = secret.clone();
    if let Some(data) = &mut others.data {
        data.remove(TOKEN_KEY);
    }
    // A short token may be a word of the fault, and one that is no secret may be repeated.
    let is_secret = token.len() > 16 && !format!("{others:?}").contains(token);
    let fault = fault.to_string();
    assert!(!is_secret || !fault.contains(token), "{fault}");
}

#[cfg(test)]
pub(super) mod tests;
