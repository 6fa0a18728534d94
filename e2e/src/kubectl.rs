//! kubectl as a user would run it, with a home of its own and a deadline.

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
/// How wide a terminal is; unlike any default, to be recognized.
pub const COLUMNS: u16 = 101;
/// How high.
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

/// What a finished kubectl left.
#[derive(Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    command: String,
}

/// Why kubectl gave nothing.
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
        /// How long was waited.
        timeout: Duration,
        /// What it printed until then.
        said: String,
    },
    /// It ended with an error.
    #[error("{0}")]
    Failed(Output),
}

/// A child whose outputs are still to be read; its stdin is open where nothing was to be fed.
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

    /// Feeds it, as for `apply -f -`.
    pub fn stdin(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            stdin: Some(bytes.into()),
            ..self
        }
    }

    /// Sets a variable of its environment, such as `KUBECTL_REMOTE_COMMAND_WEBSOCKETS`.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a terminal of [`COLUMNS`] by [`ROWS`], as for `exec -it`: what it prints to stderr
    /// comes on stdout then, and what is typed comes back.
    pub fn on_terminal(self) -> Self {
        Self {
            on_terminal: true,
            ..self
        }
    }

    /// Kills it after so long; half a minute unless told. No concern of [`spawn`](Self::spawn).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Runs it to its end, whatever its exit status.
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

    /// Runs it and gives its stdout where it ended well; the error holds both streams.
    pub async fn ok(self) -> Result<String, KubectlError> {
        self.run().await?.ok()
    }

    /// Starts it and lets it go on, as for `get -w`, `logs -f` and `exec`.
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
            // In a thread, for it may say more than a pipe holds before it reads all. Where it ends
            // without reading, its own words say why.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        Ok(Started {
            command: line,
            child,
            stdin,
        })
    }

    /// For a shell on the terminal; a size of nought is what `script` would give it.
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
    /// Its stdout where it ended well.
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

/// As it is printed, so that an `unwrap` stays readable.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before the pipe broke is all there is to show.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
