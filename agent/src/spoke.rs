//! The way to the managed cluster's own API server, and the authority that goes into every Secret.
//! Both follow their files, as certificates do.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::{error, info, warn};

const POLL: Duration = Duration::from_secs(2);
const IN_CLUSTER_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Where the managed cluster is described.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// What every pod is given.
    InCluster,
    /// A kubeconfig.
    File(PathBuf),
}

/// The managed cluster's API server.
#[derive(Clone)]
pub(crate) struct Spoke {
    pub(crate) client: Client,
    /// PEM bundle.
    pub(crate) authority: Arc<[u8]>,
}

/// There is no way to the managed cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpokeError {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} names no certificate authority, which every token's Secret has to hold")]
    NoAuthority(String),
    #[error("the certificate authority in {0} is no base64")]
    Base64(String),
    #[error("{origin} is not usable: {fault}")]
    Config { origin: String, fault: String },
}

impl Source {
    /// Reads it once.
    pub(crate) async fn load(&self) -> Result<Spoke, SpokeError> {
        let authority = self.authority()?.into();
        let unusable = |fault: &dyn std::fmt::Display| SpokeError::Config {
            origin: self.to_string(),
            fault: fault.to_string(),
        };
        let mut config = match self {
            Self::InCluster => Config::incluster().map_err(|fault| unusable(&fault))?,
            Self::File(path) => {
                let file = Kubeconfig::read_from(path).map_err(|fault| unusable(&fault))?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                    .await
                    .map_err(|fault| unusable(&fault))?
            }
        };
        // Each account has its own backoff, which a retry down there would keep from seeing.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|fault| unusable(&fault))?;
        Ok(Spoke { client, authority })
    }

    /// Reads it until it is of use; says once each what is wrong with it.
    pub(crate) async fn first(&self) -> Spoke {
        let mut last_fault = None;
        loop {
            let fault = match self.load().await {
                Ok(spoke) => return spoke,
                Err(fault) => fault.to_string(),
            };
            if last_fault.as_ref() != Some(&fault) {
                error!(%fault, "no way to the managed cluster; no token is looked after");
                last_fault = Some(fault);
            }
            sleep(POLL).await;
        }
    }

    /// Follows the files for as long as it is polled.
    pub(crate) async fn follow(self, spoke: watch::Sender<Spoke>) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut known, mut last_fault) = (self.fingerprint(), None);
        loop {
            ticks.tick().await;
            let found = self.fingerprint();
            if found == known {
                continue;
            }
            match self.load().await {
                Ok(loaded) => {
                    info!(source = %self, "way to the managed cluster read again");
                    spoke.send_replace(loaded);
                    (known, last_fault) = (found, None);
                }
                Err(fault) => {
                    let fault = fault.to_string();
                    if last_fault.as_ref() != Some(&fault) {
                        warn!(%fault, "the managed cluster's files changed and are of no use; the last good ones count");
                        last_fault = Some(fault);
                    }
                }
            }
        }
    }

    /// What changes when the files do.
    fn fingerprint(&self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let config = match self {
            Self::InCluster => None,
            Self::File(path) => std::fs::read(path).ok(),
        };
        (config, self.authority().ok())
    }

    fn authority(&self) -> Result<Vec<u8>, SpokeError> {
        let Self::File(path) = self else {
            return read(Path::new(IN_CLUSTER_CA));
        };
        let text = read(path)?;
        let unusable = |fault: String| SpokeError::Config {
            origin: self.to_string(),
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
                .map_err(|_| SpokeError::Base64(self.to_string()));
        }
        let file = cluster.certificate_authority.as_ref();
        let file = file.ok_or_else(|| SpokeError::NoAuthority(self.to_string()))?;
        // As kubectl does: relative to the kubeconfig.
        read(&path.parent().unwrap_or_else(|| Path::new("")).join(file))
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InCluster => formatter.write_str("the in-cluster configuration"),
            Self::File(path) => write!(formatter, "kubeconfig {}", path.display()),
        }
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
