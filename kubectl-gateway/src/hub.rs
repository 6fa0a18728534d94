//! Calls to the hub's API server, and their errors.

use std::fmt::Debug;

use http::Request;
use kube::{
    Api, Client, Resource,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
    core::DynamicObject,
    discovery::ApiResource,
};
use kubernetes::access::{Access, AccessError};
use serde::de::DeserializeOwned;

use crate::{
    gateway_path::proxy_path,
    kubeconfig::documents::{Documents, HubEntry},
};

const PAGE: u32 = 500;

/// A client of a hub.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) client: Client,
}

/// Why the hub did not give an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubError {
    /// The hub refused the request. The message is the hub's own.
    #[error("the hub refused the request: {message} ({reason})")]
    Refused {
        code: u16,
        reason: String,
        message: String,
    },
    /// The hub does not know the kind.
    #[error("the hub does not serve {0}; {next}", next = next_step(.0))]
    UnknownKind(String),
    /// There is no answer, or it cannot be read.
    #[error(
        "the hub did not answer; check the connection with kubectl version and the same context"
    )]
    Unreachable(#[source] Box<kube::Error>),
    /// The kubeconfig is at fault, e.g. a plugin or certificate in it.
    #[error("cannot create a client for context {0}")]
    Kubeconfig(String, #[source] Box<AccessError>),
    /// The server's address is not valid.
    #[error("the server of context {0} is not a valid URL")]
    Server(String, #[source] http::uri::InvalidUri),
}

fn next_step(kind: &str) -> &'static str {
    if kind.starts_with("clustergateways.") {
        "check that the gateway is installed and available: kubectl get apiservice v1alpha1.cluster.core.oam.dev"
    } else if kind.starts_with("accessgrants.") {
        "install Spokeway's operator, or choose another hub with --context"
    } else {
        "check that this is a hub of Open Cluster Management, or choose another one with --context"
    }
}

impl HubError {
    /// True if the caller is not allowed to ask, or the hub does not have this kind.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. } | Self::UnknownKind(_))
    }

    /// True if the object does not exist.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }
}

impl Hub {
    /// A client of the entry's hub, even if the entry is for a managed cluster behind the hub.
    pub(crate) async fn connect(documents: &Documents, entry: &HubEntry) -> Result<Self, HubError> {
        let context = &entry.context;
        let failed = |error| HubError::Kubeconfig(context.clone(), Box::new(error));
        let merged = documents
            .paths()
            .try_fold(Kubeconfig::default(), |all, path| {
                Kubeconfig::read_from(path).and_then(|next| all.merge(next))
            });
        let options = KubeConfigOptions {
            context: Some(context.clone()),
            ..KubeConfigOptions::default()
        };
        let merged = merged.map_err(|error| failed(error.into()))?;
        let access = Access::of_kubeconfig(merged, &options).await;
        let mut access = access.map_err(failed)?;
        let server = entry.server().parse();
        access.config.cluster_url =
            server.map_err(|error| HubError::Server(context.clone(), error))?;
        let client = access.client().map_err(unanswered)?;
        Ok(Self { client })
    }

    /// All objects of a kind, read in pages.
    pub(crate) async fn list<K>(&self) -> Result<Vec<K>, HubError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let kind = format!("{}.{}", K::plural(&()), K::group(&()));
        pages(&Api::<K>::all(self.client.clone()), &kind).await
    }

    /// All objects of a kind in all namespaces, not decoded.
    pub(crate) async fn list_untyped(
        &self,
        kind: &ApiResource,
    ) -> Result<Vec<DynamicObject>, HubError> {
        let name = format!("{}.{}", kind.plural, kind.group);
        pages(&Api::all_with(self.client.clone(), kind), &name).await
    }

    /// Reads an object of a managed cluster through the gateway.
    pub(crate) async fn through<T: DeserializeOwned>(
        &self,
        cluster: &str,
        path: &str,
    ) -> Result<T, HubError> {
        let request = Request::get(format!("{}{path}", proxy_path(cluster)))
            .body(Vec::new())
            .map_err(|error| unanswered(kube::Error::HttpError(error)))?;
        self.client.request(request).await.map_err(unanswered)
    }
}

/// The error for a failed call.
pub(crate) fn unanswered(error: kube::Error) -> HubError {
    match error {
        kube::Error::Api(status) => HubError::Refused {
            code: status.code,
            reason: status.reason.clone(),
            message: status.message.trim_end().to_owned(),
        },
        error => HubError::Unreachable(Box::new(error)),
    }
}

async fn pages<K>(api: &Api<K>, kind: &str) -> Result<Vec<K>, HubError>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut all = Vec::new();
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let listed = api.list(&parameters).await.map_err(unanswered);
        let page = listed.map_err(|error| match error {
            error if error.is_absent() => HubError::UnknownKind(kind.to_owned()),
            error => error,
        })?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(all),
        }
    }
}
