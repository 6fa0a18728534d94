//! The ways to install something on this machine, and what was installed before.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::cargo::root;

/// The available ways to install something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Means {
    /// The toolchain comes from rustup.
    pub(super) rustup: bool,
    /// Python can install its bundled pip.
    pub(super) ensurepip: bool,
    /// apt-get exists and may be run.
    pub(super) apt: Option<Root>,
}

/// How a command gets root privileges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Root {
    Already,
    /// With a sudo that does not ask for a password.
    BySudo,
}

pub(super) const DENY_VERSION: &str = "0.20.2";

impl Means {
    pub(super) fn find() -> Self {
        let root = if succeeds(&mut shell("test \"$(id -u)\" = 0")) {
            Some(Root::Already)
        } else {
            succeeds(&mut shell("sudo -n true")).then_some(Root::BySudo)
        };
        Self {
            rustup: succeeds(Command::new("rustup").arg("--version")),
            ensurepip: succeeds(&mut shell("python3 -m ensurepip --version")),
            apt: root.filter(|_| succeeds(&mut shell("command -v apt-get"))),
        }
    }
}

/// The pinned cargo-deny: the user's if it has that version, or else the one in our target
/// directory.
pub(crate) fn cargo_deny() -> Option<PathBuf> {
    let own = tools().join("bin/cargo-deny");
    let candidates = [PathBuf::from("cargo-deny"), own];
    candidates.into_iter().find(|program| is_pinned(program))
}

fn is_pinned(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stdout);
        said.split_whitespace().any(|word| word == DENY_VERSION)
    })
}

pub(super) fn tools() -> PathBuf {
    root().join("target/tools")
}

pub(super) fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

pub(super) fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
