//! The runner's one helper process, which cleans up when the runner no longer can.
//!
//! It holds the read end of a pipe and acts when the pipe closes: at the normal end of a process
//! whose shared World is never dropped, after a panic, and after SIGKILL. It is in a process group
//! of its own, so that signals to the runner's group do not end it.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{ChildStdin, Command, Stdio},
};

use parking_lot::Mutex;

const SCRIPT: &str = include_str!("reaper.sh");

static REAPER: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Makes the process group of `pid` end with this process.
pub(super) fn watch(pid: u32) -> io::Result<()> {
    tell(&format!("watch {pid}\n"))
}

/// Tells the reaper that a process group has ended, because its id may soon be reused.
pub(super) fn forget(pid: u32) {
    // If the pipe is broken, somebody has killed the reaper, and it cannot kill anything any more.
    let _ = tell(&format!("forget {pid}\n"));
}

/// Makes the directory be removed with this process.
pub(crate) fn sweep(directory: &Path) -> io::Result<()> {
    let Some(path) = directory.to_str().filter(|path| !path.contains('\n')) else {
        return Err(io::Error::other(
            "the temporary directory's name is not plain text",
        ));
    };
    tell(&format!("sweep {path}\n"))
}

/// Makes the control groups of that name be removed with this process.
pub(crate) fn uproot(control_group: &str) -> io::Result<()> {
    tell(&format!("uproot {control_group}\n"))
}

fn tell(line: &str) -> io::Result<()> {
    let mut reaper = REAPER.lock();
    if reaper.is_none() {
        *reaper = Some(start()?);
    }
    reaper
        .as_mut()
        .expect("started above")
        .write_all(line.as_bytes())
}

fn start() -> io::Result<ChildStdin> {
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT, "reaper"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    Ok(child.stdin.take().expect("stdin is piped"))
}
