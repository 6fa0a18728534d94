//! The start of every process.

use tokio::runtime::Runtime;

use crate::log::{self, Format};

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] log::LogError),
    /// A TLS provider was installed before.
    #[error("a TLS provider is installed already")]
    Tls,
    /// The runtime cannot start its threads.
    #[error("cannot start the runtime")]
    Runtime(#[from] std::io::Error),
}

/// How many threads run the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Threads {
    /// The current thread only.
    One,
    /// One thread for each core.
    All,
}

/// Sets up logs and the TLS provider, and returns the runtime.
pub fn start(
    log_filter: &str,
    log_format: Format,
    threads: Threads,
) -> Result<Runtime, StartError> {
    log::init(log_filter, log_format)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| StartError::Tls)?;
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::All => tokio::runtime::Builder::new_multi_thread(),
    };
    Ok(builder.enable_all().build()?)
}
