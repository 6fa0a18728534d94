//! Runs the same cargo that runs xtask, at the root of the workspace.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// A cargo command line.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root());
    command
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The arguments that run one of our programs. No package is named, so dependencies are built with
/// the features of the whole workspace, as for the tests, and not a second time.
pub(crate) fn run_bin<'a>(name: &'a str, options: &[&'a str], args: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--quiet", "--bin", name], options, &["--"], args].concat()
}

/// Replaces this process with one of our programs. Then Ctrl-C reaches only that program, and the
/// prompt returns after it has cleaned up.
pub(crate) fn become_bin(name: &str, options: &[&str], args: &[&str]) -> anyhow::Result<()> {
    let error = cargo(&run_bin(name, options, args)).exec();
    Err(error).context("cannot run cargo")
}
