//! The output and the format of logs. `main` calls this once; the rest of the process uses only
//! `tracing`.

use std::{io, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt};

/// The format of a log line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Text for a person at a terminal.
    Plain,
    /// One JSON object per line, for a log pipeline.
    Json,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

/// The log format does not exist.
#[derive(Debug, thiserror::Error)]
#[error("the log format is either plain or json")]
pub struct UnknownFormat;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not valid.
    #[error("log filter {filter:?}: {source}")]
    Filter {
        /// The filter that was given.
        filter: String,
        /// The cause.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Another subscriber was installed before.
    #[error("a log subscriber is installed already")]
    Installed,
}

/// Sends the logs of the process to stderr, filtered by `filter` (e.g.
/// `info,gateway_server=debug`).
pub fn init(filter: &str, format: Format) -> Result<(), LogError> {
    let env_filter = EnvFilter::try_new(filter).map_err(|source| LogError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let builder = fmt().with_env_filter(env_filter).with_writer(io::stderr);
    let installed = match format {
        Format::Plain => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|_| LogError::Installed)
}
