//! Spokes in manual mode: one Secret each, in the format of cluster-gateway.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use k8s_openapi::api::{core::v1::Secret, rbac::v1::ClusterRoleBinding};
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use super::{
    Gateway, GatewayError,
    registration::{put, refused},
};
use crate::{
    cluster::{Cluster, Credentials},
    eventually,
};

const SERVED_WITHIN: Duration = Duration::from_secs(10);
const TOKEN_TTL: Duration = Duration::from_hours(12);
/// The gateway's account on a spoke.
const ACCOUNT: (&str, &str) = ("spokeway-system", "gateway");

/// The content of a spoke's Secret, if it differs from the truth about the cluster.
#[derive(Clone, Debug, Default)]
pub struct SpokeOptions {
    /// A name that is not the cluster's.
    pub name: Option<String>,
    /// An endpoint that is not the cluster's URL.
    pub endpoint: Option<String>,
    /// A CA that is not the cluster's, PEM.
    pub ca_pem: Option<String>,
    /// Whether it is reached through a tunnel of its agent instead of at its endpoint.
    pub tunnelled: bool,
    /// Credentials, if they are not a token of a service account that is cluster-admin there.
    pub credentials: Option<Credentials>,
}

impl Gateway {
    /// Writes the Secret of a spoke, and waits until the hub serves it as a `ClusterGateway`.
    pub async fn register_spoke(
        &self,
        spoke: &Cluster,
        options: SpokeOptions,
    ) -> Result<(), GatewayError> {
        let SpokeOptions {
            name,
            endpoint,
            ca_pem,
            tunnelled,
            credentials,
        } = options;
        let name = name.unwrap_or_else(|| spoke.name().to_owned());
        let endpoint = endpoint.unwrap_or_else(|| spoke.url().to_owned());
        let ca_pem = ca_pem.unwrap_or_else(|| spoke.ca_pem());
        let credentials = match credentials {
            Some(credentials) => credentials,
            None => spoke.on_its_side(|| admin_token(spoke)).await?,
        };
        let endpoint_type = if tunnelled { "ClusterProxy" } else { "Const" };
        self.write_secret(&name, endpoint_type, &endpoint, &ca_pem, &credentials)
            .await?;
        let client = self.hub.client();
        let path = format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{name}");
        eventually(SERVED_WITHIN, &path, || {
            let request = Request::get(path.as_str())
                .body(Vec::new())
                .expect("a valid request");
            client.request_text(request)
        })
        .await?;
        Ok(())
    }

    /// Writes the Secret of a spoke that need not exist, without waiting for anything.
    pub async fn write_spoke(
        &self,
        name: &str,
        endpoint: &str,
        ca_pem: &str,
        credentials: &Credentials,
    ) -> Result<(), GatewayError> {
        self.write_secret(name, "Const", endpoint, ca_pem, credentials)
            .await
    }

    async fn write_secret(
        &self,
        name: &str,
        endpoint_type: &str,
        endpoint: &str,
        ca_pem: &str,
        credentials: &Credentials,
    ) -> Result<(), GatewayError> {
        let (kind, mut data) = match credentials {
            Credentials::Token(token) => (
                "ServiceAccountToken",
                json!({"token": STANDARD.encode(token)}),
            ),
            Credentials::Certificate(identity) => {
                let certificate = STANDARD.encode(&identity.certificate);
                let key = STANDARD.encode(&identity.key);
                (
                    "X509Certificate",
                    json!({"tls.crt": certificate, "tls.key": key}),
                )
            }
            Credentials::Anonymous => ("ServiceAccountToken", json!({"token": ""})),
        };
        data["endpoint"] = Value::from(STANDARD.encode(endpoint));
        data["ca.crt"] = Value::from(STANDARD.encode(ca_pem));
        let labels = json!({
            "cluster.core.oam.dev/cluster-credential-type": kind,
            "cluster.core.oam.dev/cluster-endpoint-type": endpoint_type,
        });
        put(
            &self.secrets(),
            name,
            json!({"metadata": {"labels": labels}, "data": data}),
        )
        .await
    }

    /// Deletes the Secret of a spoke.
    pub async fn unregister_spoke(&self, name: &str) -> Result<(), GatewayError> {
        let deleted = self.secrets().delete(name, &DeleteParams::default()).await;
        deleted
            .map(drop)
            .map_err(refused(format!("to delete Secret {name}")))
    }

    /// The Secrets that the gateway reads, through a client of the hub's admin.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.hub.client(), &self.options.secret_namespace)
    }
}

/// A token of an account that is cluster-admin there.
pub(crate) async fn admin_token(spoke: &Cluster) -> Result<Credentials, GatewayError> {
    let (namespace, name) = ACCOUNT;
    let token = spoke
        .service_account_token(namespace, name, TOKEN_TTL)
        .await?;
    let role = json!({
        "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
    });
    let subject = json!({"kind": "ServiceAccount", "namespace": namespace, "name": name});
    let binding = json!({"roleRef": role, "subjects": [subject]});
    put(
        &Api::<ClusterRoleBinding>::all(spoke.client()),
        "spokeway-gateway-account",
        binding,
    )
    .await?;
    Ok(Credentials::Token(token))
}
