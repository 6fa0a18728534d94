//! How a benchmark reports: figures go to standard output, progress goes to standard error. This
//! module also parses the length of a measurement, which the reports quote.

use std::io::Write as _;

use anyhow::Context as _;

/// One line of the report.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

/// Tells the person at the terminal what is being done now.
pub(crate) fn tell(line: &str) {
    // If stderr is closed, nobody is watching.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The length of a measurement, as given on the command line.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.05 to 3600".to_owned()),
    }
}
