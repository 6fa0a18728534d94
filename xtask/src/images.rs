//! `cargo xtask images`: builds our programs, and then runs the program that archives them.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    cargo::{become_bin, cargo, root},
    needs::{self, IMAGES, Skips},
};

const BUILD: [&str; 10] = [
    "build",
    "--workspace",
    "--bin",
    "agent",
    "--bin",
    "gateway-server",
    "--bin",
    "operator",
    "--bin",
    "images",
];

/// Builds the programs and writes their images. `out` is relative to the directory of the caller.
pub(crate) fn run(profile: &str, out: Option<PathBuf>) -> anyhow::Result<()> {
    needs::meet(&[IMAGES], Skips::Forbidden)?;
    let out = match out {
        Some(out) => env::current_dir()?.join(out),
        None => root().join("target/images"),
    };
    let profile = ["--profile", profile];
    let build = [BUILD.as_slice(), &profile].concat();
    let status = cargo(&build).status().context("cannot run cargo")?;
    anyhow::ensure!(status.success(), "cargo build exited with {status}");
    become_bin("images", &profile, &["--out", path(&out)?])
}

fn path(path: &Path) -> anyhow::Result<&str> {
    let text = path.to_str();
    text.with_context(|| format!("{} is not valid UTF-8", path.display()))
}
