//! Where log lines go and how they look. One call at the start of `main`; everything else in the
//! process only uses `tracing`.

use std::{io, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt};

/// How a log line is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For a person at a terminal.
    Plain,
    /// One JSON object a line, for a log pipeline.
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

/// The log format asked for does not exist.
#[derive(Debug, thiserror::Error)]
#[error("the log format is either plain or json")]
pub struct UnknownFormat;

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("log filter {filter:?}: {source}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something has installed a subscriber before.
    #[error("a log subscriber is installed already")]
    Installed,
}

/// Sends the process's log to standard error, filtered by `filter` (`info,gateway_server=debug`).
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
