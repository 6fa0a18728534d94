//! One supervised program: it is started, watched, stopped, and never left behind.
//!
//! Children are `std::process` children, because a World outlives the runtime of any single test.
//! They are in process groups of their own, because a Ctrl-C at the terminal must reach the runner
//! first.

use std::{
    fs::File,
    future::Future,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

pub(crate) mod child;
mod log;
pub(crate) mod readyz;
pub(crate) mod reaper;

use child::Supervised;
pub use log::LogTail;

use crate::host;

/// How many lines of a log go into an error.
const ERROR_TAIL: usize = 25;
const POLL_EVERY: Duration = Duration::from_millis(20);

/// The child waits for a line on stdin before it executes the program. It gets that line after the
/// reaper knows about it. If the runner dies in between, stdin closes and the child ends by itself.
const GATE: &str = r#"read -r _ && exec "$0" "$@" </dev/null"#;

/// How to start a program, any number of times.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name in errors and logs.
    pub name: String,
    /// The path of the program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment in addition to `PATH` and `HOME`. Nothing else is inherited.
    pub env: Vec<(String, String)>,
    /// Its working directory and its `HOME`.
    pub directory: PathBuf,
    /// The file that collects its stdout and stderr.
    pub log: PathBuf,
}

/// A program that runs, or that has run and can be started again.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Mutex<Supervised>,
}

/// Why a process does not run as requested.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {name}")]
    Start {
        /// The process.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{name} ended with {status} before it was ready; its log ends with\n{tail}")]
    Exited {
        /// The process.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        tail: LogTail,
    },
    /// It runs, but did not become ready in time.
    #[error("{name} not ready within {deadline:?} ({last_seen}); its log ends with\n{tail}")]
    NotReady {
        /// The process.
        name: String,
        /// The time that was waited.
        deadline: Duration,
        /// The state that the last probe saw.
        last_seen: String,
        /// The last lines of its log.
        tail: LogTail,
    },
}

impl Process {
    /// Starts a program.
    pub fn start(spec: Spec) -> Result<Self, ProcessError> {
        let child = spawn(&spec).map_err(|source| start_error(&spec, source))?;
        Ok(Self {
            spec,
            child: Mutex::new(child),
        })
    }

    /// Its name in errors and logs.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its process id while it runs, even if it is paused.
    pub fn pid(&self) -> Option<u32> {
        let mut child = self.child.lock();
        child.poll().is_none().then(|| child.id())
    }

    /// Its log: everything that it has printed over all its starts.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The last `lines` lines of its log.
    pub fn tail(&self, lines: usize) -> LogTail {
        LogTail::read(&self.spec.log, 0, lines)
    }

    /// How it ended; `None` if it still runs.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.child.lock().poll()
    }

    /// Asks it to end, waits for `grace`, then kills it.
    pub async fn stop(&self, grace: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        // A paused process receives the signal only after it runs again.
        self.signal(Signal::CONT);
        let end = Instant::now() + grace;
        while Instant::now() < end {
            if let Some(status) = self.exited() {
                return status;
            }
            sleep(POLL_EVERY).await;
        }
        self.kill()
    }

    /// Kills it at once.
    pub fn kill(&self) -> ExitStatus {
        self.child.lock().kill()
    }

    /// Pauses it. It keeps its connections and answers nothing until [`resume`](Self::resume).
    /// Returns when all its threads have stopped, because on a busy machine some continue for a
    /// while.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        while self.pid().is_some_and(host::has_running_threads) {
            std::thread::yield_now();
        }
    }

    /// Lets a paused process continue.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again with the same arguments. If it still runs, it is killed first.
    pub fn restart(&self) -> Result<(), ProcessError> {
        let mut child = self.child.lock();
        child.kill();
        *child = spawn(&self.spec).map_err(|source| start_error(&self.spec, source))?;
        Ok(())
    }

    /// Calls `probe` until it returns `Ok`, for `deadline` at most. Gives up at once if the process
    /// ends.
    pub async fn ready<F, T, S>(
        &self,
        deadline: Duration,
        mut probe: impl FnMut() -> F,
    ) -> Result<T, ProcessError>
    where
        F: Future<Output = Result<T, S>>,
        S: std::fmt::Display,
    {
        let (name, end) = (self.name().to_owned(), Instant::now() + deadline);
        let mut last_seen = String::from("it never answered");
        while Instant::now() < end {
            if let Some(status) = self.exited() {
                return Err(ProcessError::Exited {
                    name,
                    status,
                    tail: self.tail(ERROR_TAIL),
                });
            }
            match tokio::time::timeout_at(end, probe()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(state)) => last_seen = state.to_string(),
                Err(_) => break,
            }
            sleep(POLL_EVERY).await;
        }
        Err(ProcessError::NotReady {
            name,
            deadline,
            last_seen,
            tail: self.tail(ERROR_TAIL),
        })
    }

    fn signal(&self, signal: Signal) {
        self.child.lock().signal(signal);
    }
}

fn spawn(spec: &Spec) -> io::Result<Supervised> {
    let log = File::options().create(true).append(true).open(&spec.log)?;
    let mut command = child::isolated(Path::new("sh"), &spec.directory);
    command
        .args(["-c", GATE])
        .arg(&spec.program)
        .args(&spec.args);
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    command
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut child = Supervised::spawn(&mut command, &spec.directory)?;
    child.stdin().expect("stdin is piped").write_all(b"\n")?;
    Ok(child)
}

fn start_error(spec: &Spec, source: io::Error) -> ProcessError {
    ProcessError::Start {
        name: spec.name.clone(),
        source,
    }
}
