//! What is printed, and with which code the program ends.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// How a verb ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Well.
    Done,
    /// With something that is not as it would be.
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

/// Prints an answer. Where nobody reads it any more, as behind `head`, there is nothing to complain about.
pub(crate) fn say(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints beside the answer what one should know of it.
pub(crate) fn note(text: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// Prints why there is no answer.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {}", in_a_line(error));
}

/// An error and its causes, but for those that have been said with what they cause.
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
