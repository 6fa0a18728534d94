//! The scaffolding of every Spokeway process: start and orderly shutdown, logs, bounded listeners,
//! the one for health and metrics, TLS material that reloads, buffered reads, connections through a proxy,
//! and errors in one line. It does not know Kubernetes objects.

pub mod admin;
pub mod causes;
pub mod certificate;
pub mod faults;
pub mod http_proxy;
pub mod listener;
pub mod log;
pub mod memory;
pub mod process;
pub mod process_metrics;
pub mod read_ahead;
pub mod readiness;
pub mod reload;
pub mod shutdown;
