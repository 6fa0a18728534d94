//! One place where a managed cluster can be reached. Values only.

use http::uri::Authority;

use super::{dial::Dialer, tls::Tls};

/// The address of a managed cluster's API server, and how to verify it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    /// Host and port, as in the Host header.
    pub(crate) authority: Authority,
    /// A path that every request starts with; empty, or `/like/this`.
    pub(crate) base_path: String,
    /// How to get bytes there.
    pub(crate) dialer: Dialer,
    /// How to verify the other end; `None` for a service inside the managed cluster, which is
    /// reached through its tunnel over plain HTTP.
    pub(crate) tls: Option<Tls>,
}

impl Target {
    /// Whether its connections show a client certificate of the gateway's.
    pub(crate) fn has_identity(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.identity.is_some())
    }
}
