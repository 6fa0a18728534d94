//! Access to a cluster: clients, kubeconfigs, tokens and kubectl.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
    config::Kubeconfig,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Cluster,
    credentials::{self, Credentials},
};
use crate::{kubectl::Kubectl, pki::PkiError};

/// Why there is no token for a service account.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The cluster refused one of the steps.
    #[error("cannot obtain a token of ServiceAccount {namespace}/{name}")]
    Kube {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the cluster said.
        source: Box<kube::Error>,
    },
    /// The cluster granted a token but sent none.
    #[error("the TokenRequest came back without a token")]
    Absent,
}

impl Cluster {
    /// A new client of the cluster admin for the current runtime.
    pub fn client(&self) -> Client {
        self.client_with(self.admin())
    }

    /// A new client of another user, who has a certificate with these names, signed by the
    /// cluster's CA.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client, PkiError> {
        Ok(self.client_with(&self.certificate_of(user, groups)?))
    }

    /// A new client with any credentials.
    pub fn client_with(&self, credentials: &Credentials) -> Client {
        credentials::client(self.url(), &self.ca_pem(), credentials)
    }

    /// The credentials of a user, signed by the cluster's CA.
    pub fn certificate_of(&self, user: &str, groups: &[&str]) -> Result<Credentials, PkiError> {
        Ok(Credentials::Certificate(
            self.cluster_ca().issue_client(user, groups)?,
        ))
    }

    /// The cluster admin's kubeconfig.
    pub fn kubeconfig(&self) -> Kubeconfig {
        credentials::kubeconfig(self.url(), &self.ca_pem(), self.admin())
    }

    /// The file with the cluster admin's kubeconfig.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.directory().join("admin.kubeconfig")
    }

    /// Writes another kubeconfig into the cluster's directory. `server` may be any URL, also one
    /// with a path, and `ca_pem` any CA.
    pub fn write_kubeconfig(
        &self,
        file: &str,
        server: &str,
        ca_pem: &str,
        credentials: &Credentials,
    ) -> io::Result<PathBuf> {
        let path = self.directory().join(file);
        let config = credentials::kubeconfig(server, ca_pem, credentials);
        fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        Ok(path)
    }

    /// A token of a service account. The account and its namespace are created if they do not
    /// exist. The API server grants at least ten minutes, even if `ttl` is shorter.
    pub async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        ttl: Duration,
    ) -> Result<String, TokenError> {
        let failed = |source| TokenError::Kube {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: Box::new(source),
        };
        let client = self.client();
        let granted = request_token(client, namespace, name, ttl)
            .await
            .map_err(failed)?;
        Ok(granted.status.ok_or(TokenError::Absent)?.token)
    }

    /// kubectl as the cluster admin.
    pub fn kubectl(&self, args: &[&str]) -> Kubectl {
        self.kubectl_with(&self.kubeconfig_path(), args)
    }

    /// kubectl with another kubeconfig.
    pub fn kubectl_with(&self, kubeconfig: &Path, args: &[&str]) -> Kubectl {
        let site = self.site();
        Kubectl::new(
            site.programs.path("kubectl"),
            &site.directory,
            kubeconfig,
            args,
        )
    }
}

async fn request_token(
    client: Client,
    namespace: &str,
    name: &str,
    ttl: Duration,
) -> kube::Result<TokenRequest> {
    create_if_absent(&Api::<Namespace>::all(client.clone()), namespace).await?;
    let accounts = Api::<ServiceAccount>::namespaced(client, namespace);
    create_if_absent(&accounts, name).await?;
    let seconds = ttl.as_secs().clamp(600, 1 << 32);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: i64::try_from(seconds).ok(),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
}

/// Creates an object that has only a name.
pub(crate) async fn create_if_absent<K>(api: &Api<K>, name: &str) -> kube::Result<()>
where
    K: Resource + Clone + std::fmt::Debug + Default + DeserializeOwned + Serialize,
{
    let mut object = K::default();
    *object.meta_mut() = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        created => created.map(drop),
    }
}

/// Server-side applies an object. `body` has everything except kind and name.
pub(crate) async fn apply<K>(api: &Api<K>, name: &str, mut body: Value) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    body["apiVersion"] = K::api_version(&()).into();
    body["kind"] = K::kind(&()).into();
    body["metadata"]["name"] = name.into();
    api.patch(
        name,
        &PatchParams::apply("e2e").force(),
        &Patch::Apply(&body),
    )
    .await
    .map(drop)
}
