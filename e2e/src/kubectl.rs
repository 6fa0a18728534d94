//! kubectl as a user runs it, with a home of its own and a deadline.

use std::{
    fmt,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::process::child::{Supervised, isolated};

mod running;

pub use running::Running;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The width of a terminal. It differs from any default, so that tests can recognize it.
pub const COLUMNS: u16 = 101;
/// The height of a terminal.
pub const ROWS: u16 = 33;
const POLL_EVERY: Duration = Duration::from_millis(5);

/// A kubectl command line, ready to run.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    home: PathBuf,
    kubeconfig: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    on_terminal: bool,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
}

/// The results of a finished kubectl.
#[derive(Clone)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
    command: String,
}

/// Why kubectl gave no result.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    /// It could not be started.
    #[error("cannot run `{command}`")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It did not end in time and was killed, or printed no further line in time.
    #[error("`{command}`: nothing within {timeout:?}; it said: {said}")]
    Timeout {
        /// The command line.
        command: String,
        /// The time that was waited.
        timeout: Duration,
        /// Its output until then.
        said: String,
    },
    /// It failed.
    #[error("{0}")]
    Failed(Output),
}

/// A child whose outputs are not read yet. Its stdin is open if no input was given.
struct Started {
    command: String,
    child: Supervised,
    stdin: Option<ChildStdin>,
}

impl Kubectl {
    pub(crate) fn new(program: &Path, home: &Path, kubeconfig: &Path, args: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            home: home.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: Vec::new(),
            on_terminal: false,
            stdin: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets its stdin, e.g. for `apply -f -`.
    pub fn stdin(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            stdin: Some(bytes.into()),
            ..self
        }
    }

    /// Sets an environment variable, such as `KUBECTL_REMOTE_COMMAND_WEBSOCKETS`.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a terminal of [`COLUMNS`] by [`ROWS`], as for `exec -it`. Then its stderr comes on
    /// stdout, and what is typed is echoed.
    pub fn on_terminal(self) -> Self {
        Self {
            on_terminal: true,
            ..self
        }
    }

    /// Kills it after this time; the default is 30 s. [`spawn`](Self::spawn) ignores it.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Runs it to its end, with any exit status.
    pub async fn run(self) -> Result<Output, KubectlError> {
        let timeout = self.timeout;
        let Started {
            command,
            mut child,
            stdin,
        } = self.start()?;
        let stdout = collect(child.stdout().expect("stdout is piped"));
        let stderr = collect(child.stderr().expect("stderr is piped"));
        drop(stdin);
        let end = Instant::now() + timeout;
        while child.poll().is_none() && Instant::now() < end {
            sleep(POLL_EVERY).await;
        }
        let ended = child.poll();
        child.kill();
        let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().unwrap_or_default());
        match ended {
            Some(status) => Ok(Output {
                status,
                stdout,
                stderr,
                command,
            }),
            None => Err(KubectlError::Timeout {
                command,
                timeout,
                said: stdout + &stderr,
            }),
        }
    }

    /// Runs it and returns its stdout if it succeeds. The error contains both streams.
    pub async fn ok(self) -> Result<String, KubectlError> {
        self.run().await?.ok()
    }

    /// Starts it and lets it run, as for `get -w`, `logs -f` and `exec`.
    pub fn spawn(self) -> Result<Running, KubectlError> {
        let Started {
            command,
            child,
            stdin,
        } = self.start()?;
        Ok(Running::new(command, child, stdin))
    }

    fn start(self) -> Result<Started, KubectlError> {
        let line = self.line();
        let mut command = if self.on_terminal {
            let mut command = isolated(Path::new("script"), &self.home);
            command.args(["-qec", &self.shell_line(), "/dev/null"]);
            command.env("SHELL", "/bin/sh").env("TERM", "xterm");
            command
        } else {
            let mut command = isolated(&self.program, &self.home);
            command.args(&self.args);
            command
        };
        command.env("KUBECONFIG", &self.kubeconfig);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = Supervised::spawn(&mut command, &self.home);
        let mut child = spawned.map_err(|source| KubectlError::Start {
            command: line.clone(),
            source,
        })?;
        let mut stdin = child.stdin();
        if let Some(bytes) = self.stdin
            && let Some(mut pipe) = stdin.take()
        {
            // In a thread, because it may print more than a pipe holds before it has read
            // everything. If it ends without reading, its output says why.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        Ok(Started {
            command: line,
            child,
            stdin,
        })
    }

    /// Sets the size of the terminal for the shell; `script` would give it a size of zero.
    fn shell_line(&self) -> String {
        let program = self.program.display().to_string();
        let words = [&program].into_iter().chain(&self.args);
        let words: Vec<_> = words.map(|word| format!("'{word}'")).collect();
        format!(
            "stty columns {COLUMNS} rows {ROWS}; exec {}",
            words.join(" ")
        )
    }

    fn line(&self) -> String {
        ["kubectl"]
            .into_iter()
            .chain(self.args.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Output {
    /// Its stdout if it succeeded.
    pub fn ok(self) -> Result<String, KubectlError> {
        if self.status.success() {
            Ok(self.stdout)
        } else {
            Err(KubectlError::Failed(self))
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            stdout,
            stderr,
            command,
        } = self;
        write!(
            f,
            "`{command}` ended with {status}\nstdout: {stdout}\nstderr: {stderr}"
        )
    }
}

/// The same as `Display`, so that the message of an `unwrap` stays readable.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // If the pipe breaks, only what came before can be shown.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
