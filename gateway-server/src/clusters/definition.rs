//! A managed cluster as any of its sources defines it: what to show, and how to reach it. Values
//! only; `clusters.rs` turns them into clusters.

use crds::cluster_core::{ClusterGateway, ConstEndpoint};
use http::HeaderValue;
use jiff::Timestamp;

use super::listing::Listing;
use crate::way::Places;

/// A managed cluster as its source defines it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// What to show; `None` if the source is too broken.
    pub(super) object: Option<ClusterGateway>,
    /// The addresses to show while they are used, in the order of `Places::direct`; empty where
    /// `object` already shows the only one.
    pub(super) addresses: Vec<ConstEndpoint>,
    /// What `virtualclusters` shows of it in addition.
    pub(super) listing: Listing,
    /// The version of its API server, if it is known.
    pub(super) version: String,
    /// When its `ManagedCluster` was created, if it is made from one.
    pub(super) registered: Option<Timestamp>,
    /// How to reach it.
    pub(super) means: Result<Means, Unusable>,
}

/// The places and credential of a managed cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Means {
    pub(super) places: Places,
    /// The `Authorization` header to send, if that is the credential.
    pub(super) authorization: Option<HeaderValue>,
    /// The token is renewed automatically, so that a newer one soon follows a rejected one.
    pub(super) renewed: bool,
}

/// Why no request can be sent to a managed cluster.
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
    /// The token's Secret does not exist.
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
    /// Only direct addresses may be used, and the `ManagedCluster` has none.
    #[error("its ManagedCluster has no usable client config: {0}")]
    NoAddress(String),
    /// Only direct addresses may be used, and none is allowed.
    #[error("the gateway may not connect to any address that a ManagedCluster names")]
    NotAllowed,
}

impl Unusable {
    /// What to do next.
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
            Self::NotAllowed => {
                "allow ranges of addresses in spec.egress.addresses of the GatewayConfiguration \
                 (--egress-address), or let an agent open a tunnel"
            }
            Self::NoAddress(_) => {
                "set spec.managedClusterClientConfigs, or run the gateway with --egress auto or \
                 tunnel"
            }
        }
    }
}
