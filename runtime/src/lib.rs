//! The scaffolding of every Spokeway process: start and orderly shutdown, logs, bounded listeners,
//! the one for health and metrics, TLS material that reloads, who is trusted, buffered reads, the way through a
//! proxy, errors in one line, and faults that are logged when they change. It does not know Kubernetes objects.

pub mod admin;
pub mod causes;
pub mod certificate;
pub mod faults;
pub mod listener;
pub mod log;
pub mod memory;
pub mod news;
pub mod process;
pub mod process_metrics;
pub mod proxy;
pub mod read_ahead;
pub mod readiness;
pub mod reload;
pub mod shutdown;
pub mod tcp;
pub mod trust;
