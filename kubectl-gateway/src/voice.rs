//! Output to the user, and the exit code of the program.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use kubernetes::words::lines;

/// The outcome of a verb that ran without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything is as asked.
    Done,
    /// Something differs from what it should be.
    Differs,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Differs => Self::from(1),
        }
    }
}

/// Prints an answer, of which parts may be words of a managed cluster. A closed pipe, e.g. behind `head`, is not an error.
pub(crate) fn say(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(lines(text).as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints a remark about the answer to stderr.
pub(crate) fn note(text: &str) {
    // If stderr is closed, the remark is dropped.
    let _ = writeln!(io::stderr(), "note: {}", lines(text));
}

/// Prints an error.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {}", lines(&in_a_line(error)));
}

/// An error and its causes in one line, without causes that an earlier part already contains.
fn in_a_line(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            said if said.contains(&cause) => said.to_owned(),
            said => format!("{said}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn no_cause_is_said_twice() {
        let refused = Err::<(), _>(anyhow::anyhow!("connection refused"));
        let error = refused
            .context("cannot connect: connection refused")
            .context("no answer");
        assert_eq!(
            in_a_line(&error.unwrap_err()),
            "no answer: cannot connect: connection refused"
        );
    }
}
