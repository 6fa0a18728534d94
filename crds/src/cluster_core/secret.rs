//! The names in the Secret that describes a cluster in the manual mode. The Secret has the name of
//! the cluster. All names except [`INSECURE_ANNOTATION`] and [`HOST_TRUST_ANNOTATION`] are those of
//! cluster-gateway.

/// Label: the [`CredentialType`](super::CredentialType). A Secret without it is not a cluster.
pub const CREDENTIAL_TYPE_LABEL: &str = "cluster.core.oam.dev/cluster-credential-type";
/// Label: the [`EndpointType`](super::EndpointType). If it is absent, the type is `Const`.
pub const ENDPOINT_TYPE_LABEL: &str = "cluster.core.oam.dev/cluster-endpoint-type";

/// Annotation: the result of the last probe, `"true"` or `"false"`.
pub const HEALTHY_ANNOTATION: &str = "status.cluster.core.oam.dev/healthy";
/// Annotation: why the last probe failed.
pub const HEALTHY_REASON_ANNOTATION: &str = "status.cluster.core.oam.dev/healthy-reason";
/// Spokeway's own annotation: `"true"` is the only way to request TLS to the cluster without
/// verification.
///
/// cluster-gateway skips verification whenever the Secret has no CA. Spokeway never does that.
pub const INSECURE_ANNOTATION: &str = "cluster.core.oam.dev/insecure-skip-tls-verify";
/// Spokeway's own annotation: `"true"` lets the authorities vouch for the cluster's API server that the
/// gateway's host trusts, such as those of public certificates. It counts on a `ManagedCluster` too.
///
/// cluster-gateway does that whenever a `ManagedCluster` has no CA. Spokeway does it only if it is asked.
pub const HOST_TRUST_ANNOTATION: &str = "cluster.core.oam.dev/trust-system-roots";

/// Key: URL of the cluster's API server. A trailing newline is not part of it.
pub const ENDPOINT_KEY: &str = "endpoint";
/// Key: PEM bundle that the API server's certificate is verified with.
pub const CA_CRT_KEY: &str = "ca.crt";
/// Key: the older name of [`CA_CRT_KEY`]. It is read if that key is absent.
pub const CA_KEY: &str = "ca";
/// Key: bearer token of a `ServiceAccountToken` credential.
pub const TOKEN_KEY: &str = "token";
/// Key: PEM certificate of an `X509Certificate` credential.
pub const TLS_CRT_KEY: &str = "tls.crt";
/// Key: PEM private key of an `X509Certificate` credential.
pub const TLS_KEY_KEY: &str = "tls.key";
/// Key: JSON `ExecConfig` of a `Dynamic` credential.
pub const EXEC_KEY: &str = "exec";
/// Key: URL of the proxy that the cluster is reached through.
pub const PROXY_URL_KEY: &str = "proxy-url";
