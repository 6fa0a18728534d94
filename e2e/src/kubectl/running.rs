//! A kubectl that keeps running, and its lines as they come.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{ChildStdin, ChildStdout},
    thread,
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

use super::{KubectlError, Output, collect};
use crate::process::child::Supervised;

/// The number of lines that are read ahead. Beyond that kubectl's own pipe fills.
const LINES_AHEAD: usize = 256;

/// A running kubectl, killed when dropped.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Supervised,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    stderr: Option<thread::JoinHandle<String>>,
}

impl Running {
    pub(super) fn new(command: String, mut child: Supervised, stdin: Option<ChildStdin>) -> Self {
        let lines = lines(child.stdout().expect("stdout is piped"));
        let stderr = Some(collect(child.stderr().expect("stderr is piped")));
        Self {
            command,
            child,
            stdin,
            lines,
            stderr,
        }
    }

    /// The next line of its stdout; `None` once that is closed.
    pub async fn line(&mut self, within: Duration) -> Result<Option<String>, KubectlError> {
        timeout(within, self.lines.recv())
            .await
            .map_err(|_| KubectlError::Timeout {
                command: self.command.clone(),
                timeout: within,
                said: String::from("no further line"),
            })
    }

    /// The next line that contains `wanted`, waiting at most `within` for each line before it.
    pub async fn line_with(
        &mut self,
        wanted: &str,
        within: Duration,
    ) -> Result<Option<String>, KubectlError> {
        while let Some(line) = self.line(within).await? {
            if line.contains(wanted) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Types text, if no input was given at the start.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(bytes)?;
        stdin.flush()
    }

    /// Its stdin, for a thread that writes more than it may accept at once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and returns its results: the lines that were not read, and its stderr.
    pub async fn kill(mut self) -> Output {
        self.child.kill();
        self.wait().await
    }

    /// Waits for its end without a deadline, and returns its results.
    pub async fn wait(mut self) -> Output {
        self.close_stdin();
        let mut stdout = String::new();
        while let Some(line) = self.lines.recv().await {
            stdout += &line;
            stdout.push('\n');
        }
        // Both streams are closed by now, so neither of these takes long.
        let status = self.child.wait();
        let stderr = self
            .stderr
            .take()
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default();
        Output {
            status,
            stdout,
            stderr,
            command: self.command,
        }
    }
}

fn lines(pipe: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
