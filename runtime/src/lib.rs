//! The scaffolding every Spokeway process stands on: logs, the admin listener for health and
//! metrics, TLS material that reloads, the way out through a proxy, and an orderly shutdown. Knows no Kubernetes objects.

pub mod admin;
pub mod certificate;
pub mod http_proxy;
pub mod log;
pub mod readiness;
pub mod shutdown;
