//! The output and the format of logs. `main` calls this once; the rest of the process uses only
//! `tracing`.

use std::{io, str::FromStr};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};

/// Libraries that log each failed call, and what of that is logged unless the filter names them.
const QUIET: [(&str, &str); 2] = [("kube_client", "off"), ("kube_runtime", "off")];

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
    /// A directive of the filter is neither a level nor a target with a level.
    #[error(
        "log filter {filter:?}: {directive:?} is not a level: write error, warn, info, debug, trace or off, or \
         TARGET=LEVEL"
    )]
    Level {
        /// The filter that was given.
        filter: String,
        /// The part of it.
        directive: String,
    },
    /// Another subscriber was installed before.
    #[error("a log subscriber is installed already")]
    Installed,
}

/// Sends the logs of the process to stderr, filtered by `filter` (e.g.
/// `info,gateway_server=debug`).
pub fn init(filter: &str, format: Format) -> Result<(), LogError> {
    let env_filter = parsed(filter)?;
    let builder = fmt().with_env_filter(env_filter).with_writer(io::stderr);
    let installed = match format {
        Format::Plain => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|_| LogError::Installed)
}

/// The filter, without what libraries say of errors that this process reports itself, in the words of
/// their source code.
fn parsed(filter: &str) -> Result<EnvFilter, LogError> {
    let directives = filter.split(',').map(str::trim);
    let unknown = |it: &&str| !it.contains(['=', '[']) && it.parse::<LevelFilter>().is_err();
    if let Some(directive) = directives.filter(|it| !it.is_empty()).find(unknown) {
        return Err(LogError::Level {
            filter: filter.to_owned(),
            directive: directive.to_owned(),
        });
    }
    let quiet = QUIET
        .iter()
        .filter(|(library, _)| !filter.contains(library));
    let quiet = quiet.map(|(library, level)| format!("{library}={level},"));
    let all = quiet.collect::<String>() + filter;
    EnvFilter::try_new(all).map_err(|source| LogError::Filter {
        filter: filter.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for filter in [
            "info",
            "info,operator::engine=debug",
            "off",
            "",
            "warn,[span]=info",
        ] {
            assert!(parsed(filter).is_ok(), "{filter}");
        }
        for filter in ["verbose", "info,loud"] {
            let refused = parsed(filter).unwrap_err().to_string();
            assert!(refused.contains("is not a level"), "{refused}");
        }
    }

    #[test]
    fn libraries_are_quiet_unless_they_are_asked_for() {
        let said = |filter| parsed(filter).unwrap().to_string();
        assert!(said("info").contains("kube_client=off"));
        assert!(!said("info,kube_client=debug").contains("kube_client=off"));
    }
}
