//! A managed cluster as its source defines it, whichever that is: what to show, and what a request
//! takes. Values only; what they become is `clusters.rs`' business.

use crds::cluster_core::{ClusterGateway, ConstEndpoint};
use http::HeaderValue;

use crate::way::Places;

/// A managed cluster as its source defines it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// What to show; absent when the source makes no sense.
    pub(super) object: Option<ClusterGateway>,
    /// The addresses to show while they are used, in the order of `Places::direct`; empty where
    /// `object` already shows the only one.
    pub(super) addresses: Vec<ConstEndpoint>,
    /// What its requests take.
    pub(super) means: Result<Means, Unusable>,
}

/// What the requests of a managed cluster take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Means {
    pub(super) places: Places,
    /// The `Authorization` header to send, if that is the credential.
    pub(super) authorization: Option<HeaderValue>,
    /// Somebody renews the token by themselves, so that a rejected one is soon followed by another.
    pub(super) renewed: bool,
}

/// A managed cluster that no request can be sent to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unusable {
    /// The Secret of the manual mode has a fault.
    #[error("Secret {secret} is unusable: {fault}")]
    Secret {
        /// Namespace and name.
        secret: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Nobody has put a token there.
    #[error(
        "there is no token for it: Secret {account} of ManagedServiceAccount {account} is missing"
    )]
    NoToken {
        /// Namespace and name.
        account: String,
    },
    /// The Secret of the `ManagedServiceAccount` has a fault.
    #[error("Secret {account} of ManagedServiceAccount {account} is unusable: {fault}")]
    BadToken {
        /// Namespace and name.
        account: String,
        /// What is wrong with it.
        fault: String,
    },
    /// TLS cannot be set up.
    #[error("TLS to it cannot be set up: {0}")]
    Tls(String),
    /// The `ManagedCluster` names no address, and addresses are all that may be used.
    #[error("its ManagedCluster has no usable client config: {0}")]
    NoAddress(String),
}

impl Unusable {
    /// What to do about it.
    pub(crate) fn next_step(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "fix that Secret",
            Self::NoToken { .. } => {
                "create that ManagedServiceAccount, and check that an agent that issues tokens is \
                 running on the cluster"
            }
            Self::BadToken { .. } => {
                "check that the agent that issues tokens is running on the cluster; it repairs that \
                 Secret"
            }
            Self::Tls(_) => {
                "fix the CA, the client certificate or the endpoint in its Secret or ManagedCluster"
            }
            Self::NoAddress(_) => {
                "set spec.managedClusterClientConfigs, or run the gateway with --egress auto or \
                 tunnel"
            }
        }
    }
}
