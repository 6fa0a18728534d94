//! Builds our own programs into the directory of the running one, in the same profile.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use parking_lot::Mutex;

use crate::host;

static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Why a program of ours could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// Cargo could not be started.
    #[error("cannot run cargo")]
    Cargo(#[from] io::Error),
    /// Cargo failed and printed the reason on stderr.
    #[error("cargo build ended with {0}")]
    Build(ExitStatus),
    /// The running program is not below a target directory.
    #[error("{} is not where cargo puts a program", .0.display())]
    Misplaced(PathBuf),
}

/// The path of a program of ours that is up to date with its source. Cargo runs once per process,
/// for all of them.
pub fn our_program(name: &str) -> Result<PathBuf, BinaryError> {
    let mut built = BUILT.lock();
    if let Some(directory) = &*built {
        return Ok(directory.join(name));
    }
    let own = std::env::current_exe()?;
    let profile = profile_directory(&own).ok_or_else(|| BinaryError::Misplaced(own.clone()))?;
    let target = profile
        .parent()
        .ok_or_else(|| BinaryError::Misplaced(own.clone()))?;
    let cargo = host::variable("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    // The features of a build of the whole workspace, because the tests were built with them. A
    // build of the one package would build its dependencies once more.
    command.args([
        "build",
        "--quiet",
        "--workspace",
        "--bin",
        "agent",
        "--bin",
        "gateway-server",
        "--bin",
        "kubectl-gateway",
        "--bin",
        "operator",
    ]);
    command
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status()?;
    if !status.success() {
        return Err(BinaryError::Build(status));
    }
    Ok(built.insert(profile.to_owned()).join(name))
}

/// `target/debug` of `target/debug/deps/journeys-0123` or of `target/debug/demo`.
fn profile_directory(program: &Path) -> Option<&Path> {
    let parent = program.parent()?;
    if parent.ends_with("deps") || parent.ends_with("examples") {
        parent.parent()
    } else {
        Some(parent)
    }
}
