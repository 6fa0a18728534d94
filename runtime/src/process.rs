//! The start of every process.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tracing::warn;

use crate::{
    causes::chain,
    log::{self, Format},
};

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
    Runtime(#[from] io::Error),
}

/// How a process ended, as its exit code. The error is printed as one line.
pub fn ended<E: AsRef<dyn Error + Send + Sync>>(result: Result<(), E>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // If stderr is closed, nobody can be told.
    let _ = writeln!(io::stderr(), "error: {}", chain(error.as_ref()));
    ExitCode::FAILURE
}

/// How many threads run the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Threads {
    /// The current thread only.
    One,
    /// One thread for each core.
    All,
}

/// Sets up logs, open files and the TLS provider, and returns the runtime.
pub fn start(
    log_filter: &str,
    log_format: Format,
    threads: Threads,
) -> Result<Runtime, StartError> {
    log::init(log_filter, log_format)?;
    if let Err(error) = raise_open_files() {
        warn!(%error, "cannot raise the limit of open files");
    }
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| StartError::Tls)?;
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::All => tokio::runtime::Builder::new_multi_thread(),
    };
    Ok(builder.enable_all().build()?)
}

/// Lets the process have as many open files as the system allows. Each connection is one, and the
/// usual limit of 1024 is for programs that still call select(2).
fn raise_open_files() -> rustix::io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return Ok(());
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_as_many_as_the_system_allows() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let low = Rlimit {
            current: Some(256),
            maximum,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        raise_open_files().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}
