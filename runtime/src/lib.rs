//! The scaffolding every Spokeway process stands on: its start and an orderly shutdown, logs, the admin
//! listener for health and metrics, TLS material that reloads, a stream's reads in large pieces, the way
//! out through a proxy, and what is wrong in one line. Knows no Kubernetes objects.

pub mod admin;
pub mod causes;
pub mod certificate;
pub mod faults;
pub mod http_proxy;
pub mod log;
pub mod process;
pub mod read_ahead;
pub mod readiness;
pub mod shutdown;
