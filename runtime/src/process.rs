//! How every process begins.

use tokio::runtime::Runtime;

use crate::log::{self, Format};

/// A process cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its log cannot be written.
    #[error(transparent)]
    Log(#[from] log::LogError),
    /// Somebody has chosen who does TLS before.
    #[error("a TLS provider is installed already")]
    Tls,
    /// It gets no threads.
    #[error("cannot start the runtime")]
    Runtime(#[from] std::io::Error),
}

/// How many threads do its work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Threads {
    /// This one alone.
    One,
    /// As many as there are cores.
    All,
}

/// Opens the log and says who does TLS; the runtime is for the caller to run something on.
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
