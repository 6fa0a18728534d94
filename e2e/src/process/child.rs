//! A child process. It is registered with the reaper, waited for exactly once, and killed when it
//! is dropped.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::reaper;
use crate::host;

#[derive(Debug)]
pub(crate) struct Supervised {
    child: Child,
    status: Option<ExitStatus>,
}

impl Supervised {
    /// Spawns `command` in a process group and a home of its own, without the user's settings.
    pub(crate) fn spawn(command: &mut Command, home: &Path) -> io::Result<Self> {
        let child = command.current_dir(home).process_group(0).spawn()?;
        let spawned = Self {
            child,
            status: None,
        };
        reaper::watch(spawned.child.id())?;
        Ok(spawned)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    pub(crate) fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// A child that was not waited for keeps its process id, so a signal never hits another
    /// process.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            // It may have ended just now, which is as good.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }

    /// How it ended; `None` if it still runs.
    pub(crate) fn poll(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            let status = self
                .child
                .try_wait()
                .expect("our own child can be waited for")?;
            self.ended(status);
        }
        self.status
    }

    pub(crate) fn kill(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Blocks until it ends.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("our own child can be waited for");
        if self.status.is_none() {
            self.ended(status);
        }
        status
    }

    fn ended(&mut self, status: ExitStatus) {
        self.status = Some(status);
        reaper::forget(self.child.id());
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a program inherits of the user's environment. `GOGC` is how often a Go program collects
/// garbage.
const INHERITED: [&str; 2] = ["PATH", "GOGC"];

/// A command that inherits nothing else.
pub(crate) fn isolated(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home);
    for name in INHERITED {
        if let Some(value) = host::variable(name) {
            command.env(name, value);
        }
    }
    command
}
