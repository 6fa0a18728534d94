//! One supervised program: started, watched, stopped, and never left behind.
//!
//! Children are `std::process` children in process groups of their own: a World outlives any one
//! test's runtime, and a Ctrl-C at the terminal must reach the runner first, not them.

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

/// How much of a log goes into an error.
const ERROR_TAIL: usize = 25;
const POLL_EVERY: Duration = Duration::from_millis(20);

/// The child waits for a line on stdin before it becomes the program, and gets that line once the
/// reaper knows of it; if the runner dies in between, stdin closes and the child ends by itself.
const GATE: &str = r#"read -r _ && exec "$0" "$@" </dev/null"#;

/// How to start a program, as often as it takes.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What it is called in errors and logs.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment beside `PATH` and `HOME`; nothing else is inherited.
    pub env: Vec<(String, String)>,
    /// Where it runs, and its `HOME`.
    pub directory: PathBuf,
    /// The file that collects its stdout and stderr.
    pub log: PathBuf,
}

/// A program that runs, or has run and can be started again.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Mutex<Supervised>,
}

/// Why a process is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started at all.
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
        /// How long was waited.
        deadline: Duration,
        /// What the last probe saw.
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

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its process id while it runs, paused or not.
    pub fn pid(&self) -> Option<u32> {
        let mut child = self.child.lock();
        child.poll().is_none().then(|| child.id())
    }

    /// Its log: everything it ever printed, over all its starts.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The last `lines` lines of its log.
    pub fn tail(&self, lines: usize) -> LogTail {
        LogTail::read(&self.spec.log, 0, lines)
    }

    /// How it ended, where it has.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.child.lock().poll()
    }

    /// Asks it to end, waits for `grace`, then kills it.
    pub async fn stop(&self, grace: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        // A paused process takes the signal only once it runs again.
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

    /// Ends it at once.
    pub fn kill(&self) -> ExitStatus {
        self.child.lock().kill()
    }

    /// Holds it: it keeps its connections and answers nothing until [`resume`](Self::resume). Returns
    /// when every one of its threads has stopped, for on a busy machine some go on for a while.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        while self.pid().is_some_and(host::has_running_threads) {
            std::thread::yield_now();
        }
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again with the same arguments, killing it first where it still runs.
    pub fn restart(&self) -> Result<(), ProcessError> {
        let mut child = self.child.lock();
        child.kill();
        *child = spawn(&self.spec).map_err(|source| start_error(&self.spec, source))?;
        Ok(())
    }

    /// Probes until `Ok`, at most `deadline` long, and gives up at once if the process ends.
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
