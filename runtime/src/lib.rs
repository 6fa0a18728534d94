//! The scaffolding every Spokeway process stands on: logs, the admin listener for health and
//! metrics, TLS material that reloads, a stream's reads in large pieces, the way out through a proxy,
//! and an orderly shutdown. Knows no Kubernetes objects.

pub mod admin;
pub mod certificate;
pub mod http_proxy;
pub mod log;
pub mod read_ahead;
pub mod readiness;
pub mod shutdown;
