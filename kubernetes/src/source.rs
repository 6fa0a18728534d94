//! A source of an API server's address and credential.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use kube::{
    Client,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::access::{Access, AccessError};

/// The CA of the API server, as it is mounted in every Pod.
pub const IN_CLUSTER_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// A source of an API server's address and credential.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// The service account that is mounted in every Pod.
    InCluster,
    /// The current context of a kubeconfig.
    Kubeconfig(PathBuf),
}

/// Files by path, with their contents. `None` stands for a file that cannot be read.
pub(crate) type Files = Vec<(PathBuf, Option<Vec<u8>>)>;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The kubeconfig is missing or incomplete.
    #[error("kubeconfig {}: {source}", path.display())]
    Kubeconfig {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: AccessError,
    },
    /// This process does not run in a Pod.
    #[error("no kubeconfig is given, and this process has no service account of a Pod: {0}")]
    InCluster(AccessError),
    /// A certificate, a key or an address is wrong.
    #[error("cannot make a client from {origin}: {fault}")]
    Client {
        /// The source of the client.
        origin: Source,
        /// The cause.
        #[source]
        fault: kube::Error,
    },
}

impl Source {
    /// Reads the source once.
    pub async fn access(&self) -> Result<Access, SourceError> {
        let Self::Kubeconfig(path) = self else {
            return Access::in_cluster().map_err(SourceError::InCluster);
        };
        from_kubeconfig(path)
            .await
            .map_err(|source| SourceError::Kubeconfig {
                path: path.clone(),
                source,
            })
    }

    /// A client that does not retry by itself. Its callers have their own backoff, and need to see
    /// every failure.
    pub async fn client(&self) -> Result<Client, SourceError> {
        let mut access = self.access().await?;
        access.config.default_retry = false;
        access.client().map_err(|fault| self.unusable(fault))
    }

    /// The error for a client that cannot be made from this source.
    pub fn unusable(&self, fault: kube::Error) -> SourceError {
        SourceError::Client {
            origin: self.clone(),
            fault,
        }
    }

    /// All files that the client depends on, except token files, which the client follows itself.
    pub(crate) fn files(&self) -> Files {
        let paths = match self {
            Self::InCluster => vec![PathBuf::from(IN_CLUSTER_CA)],
            Self::Kubeconfig(path) => {
                let mut paths = vec![path.clone()];
                paths.extend(named_by(path));
                paths
            }
        };
        let with_content = |path: PathBuf| {
            let content = fs::read(&path).ok();
            (path, content)
        };
        paths.into_iter().map(with_content).collect()
    }
}

impl From<Option<PathBuf>> for Source {
    /// The kubeconfig if there is one, or else the service account of the Pod.
    fn from(kubeconfig: Option<PathBuf>) -> Self {
        kubeconfig.map_or(Self::InCluster, Self::Kubeconfig)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InCluster => f.write_str("the in-cluster configuration"),
            Self::Kubeconfig(path) => write!(f, "kubeconfig {}", path.display()),
        }
    }
}

async fn from_kubeconfig(path: &Path) -> Result<Access, AccessError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Access::of_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

/// The certificate and key files that a kubeconfig names.
fn named_by(kubeconfig: &Path) -> Vec<PathBuf> {
    let Ok(kubeconfig) = Kubeconfig::read_from(kubeconfig) else {
        return Vec::new();
    };
    let clusters = kubeconfig.clusters.into_iter().filter_map(|it| it.cluster);
    let authorities = clusters.filter_map(|cluster| cluster.certificate_authority);
    let users = kubeconfig
        .auth_infos
        .into_iter()
        .filter_map(|it| it.auth_info);
    let pairs = users.flat_map(|user| [user.client_certificate, user.client_key]);
    authorities
        .chain(pairs.flatten())
        .map(PathBuf::from)
        .collect()
}
