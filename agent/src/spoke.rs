//! The client of the managed cluster's own API server, and the cluster's CA, which is written to
//! every Secret. Both are replaced when their files change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{Client, config::Kubeconfig};
use kubernetes::{
    follow::{Follower, Load},
    source::{IN_CLUSTER_CA, Source, SourceError},
};
use tokio::{sync::watch, time::sleep};
use tracing::error;

/// How often the source is read until it is usable.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// The managed cluster's API server.
#[derive(Clone)]
pub(crate) struct Spoke {
    pub(crate) client: Client,
    /// PEM bundle.
    pub(crate) authority: Arc<[u8]>,
}

/// Why the managed cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpokeError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{0} names no certificate authority, but the Secret of each token must contain one")]
    NoAuthority(String),
    #[error("the certificate authority in {0} is not valid base64")]
    Base64(String),
    #[error("cannot use {origin}: {fault}")]
    Config { origin: String, fault: String },
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Load for Spoke {
    type Error = SpokeError;

    async fn load(source: &Source) -> Result<Self, SpokeError> {
        let authority = authority(source)?.into();
        let client = source.client().await?;
        Ok(Self { client, authority })
    }
}

/// Reads the source until it is usable. Logs each fault once.
pub(crate) async fn first(source: &Source) -> (Follower<Spoke>, watch::Receiver<Spoke>) {
    let mut last_fault = None;
    loop {
        let fault = match Follower::load(source.clone()).await {
            Ok(loaded) => return loaded,
            Err(error) => SpokeError::to_string(&error),
        };
        if last_fault.as_ref() != Some(&fault) {
            error!(%fault, "cannot reach the managed cluster's API server; no tokens are issued or renewed until it can be reached");
            last_fault = Some(fault);
        }
        sleep(TRY_EVERY).await;
    }
}

impl std::fmt::Debug for Spoke {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Spoke").finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SpokeError> {
    std::fs::read(path).map_err(|source| SpokeError::Read {
        path: path.to_owned(),
        source,
    })
}

fn authority(source: &Source) -> Result<Vec<u8>, SpokeError> {
    let Source::Kubeconfig(path) = source else {
        return read(Path::new(IN_CLUSTER_CA));
    };
    let text = read(path)?;
    let unusable = |fault: String| SpokeError::Config {
        origin: source.to_string(),
        fault,
    };
    let text = std::str::from_utf8(&text).map_err(|fault| unusable(fault.to_string()))?;
    let file = Kubeconfig::from_yaml(text).map_err(|fault| unusable(fault.to_string()))?;
    let cluster = file
        .current_context
        .as_ref()
        .and_then(|current| {
            file.contexts
                .iter()
                .find(|context| context.name == *current)
        })
        .and_then(|context| context.context.as_ref())
        .and_then(|context| {
            file.clusters
                .iter()
                .find(|named| named.name == context.cluster)
        })
        .and_then(|named| named.cluster.as_ref())
        .ok_or_else(|| unusable("its current context names no cluster".to_owned()))?;
    if let Some(data) = &cluster.certificate_authority_data {
        return STANDARD
            .decode(data.trim())
            .map_err(|_| SpokeError::Base64(source.to_string()));
    }
    let file = cluster
        .certificate_authority
        .as_ref()
        .ok_or_else(|| SpokeError::NoAuthority(source.to_string()))?;
    // The path is relative to the kubeconfig, as for kubectl.
    read(&path.parent().unwrap_or_else(|| Path::new("")).join(file))
}
