//! A family's Go module during a build: the files of its required modules, and the reasons why the
//! build may fail.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use super::{Family, GoError};

/// Why a family could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no Go toolchain.
    #[error(transparent)]
    Go(#[from] GoError),
    /// An operation on a file or directory of the cache or the module failed.
    #[error("cannot {action} {}", path.display())]
    Files {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// `go.mod` does not require the module whose version is stamped.
    #[error("go.mod of {family} does not say which version to stamp")]
    NoVersion {
        /// The family at fault.
        family: &'static str,
    },
    /// `go build` failed and printed the reason on stderr.
    #[error("go build of {family} ended with {status}")]
    Compile {
        /// The family at fault.
        family: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// `go list` does not say where a required module's files are.
    #[error("go list does not find the module {module} of {family}: {said}")]
    NoModule {
        /// The family at fault.
        family: &'static str,
        /// The module that is missing.
        module: &'static str,
        /// What it said.
        said: String,
    },
    /// `go build` succeeded, but a program is missing.
    #[error("{family} was built but holds no {program}")]
    Absent {
        /// The family at fault.
        family: &'static str,
        /// The program that is missing.
        program: &'static str,
    },
}

/// Where the files of a required module are.
pub(super) fn directory(
    family: &'static Family,
    module: &'static str,
    go: &Path,
) -> Result<PathBuf, BuildError> {
    let mut command = Command::new(go);
    command
        .current_dir(family.module())
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env_remove("GOROOT")
        .args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]);
    let output = command.output().map_err(files("run", go))?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !directory.is_empty() {
        return Ok(directory.into());
    }
    Err(BuildError::NoModule {
        family: family.name,
        module,
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Adds the operation and the file to an error.
pub(super) fn files(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::Files {
        action,
        path,
        source,
    }
}
