//! `cargo xtask test`: the gate, cheapest step first, stopping at the first that fails.

use std::{io::Write as _, time::Instant};

use anyhow::Context as _;

use crate::{
    cargo::{cargo, run_bin},
    prerequisites::{self, CLIPPY, DENY, GO, NODE, RUSTFMT},
};

struct Step {
    name: &'static str,
    cargo: Vec<&'static str>,
}

/// Runs every step.
pub(crate) fn run() -> anyhow::Result<()> {
    prerequisites::check(&[RUSTFMT, CLIPPY, DENY, GO, NODE])?;
    let begin = now();
    for step in steps() {
        step.run()?;
    }
    tell(&format!(
        "all steps passed in {:.1} s",
        begin.elapsed().as_secs_f32()
    ))
}

fn steps() -> Vec<Step> {
    let step = |name, cargo: &[&'static str]| Step {
        name,
        cargo: cargo.to_vec(),
    };
    vec![
        step("format", &["fmt", "--all", "--check"]),
        step(
            "clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        ),
        step("deny", &["deny", "check", "bans", "licenses", "sources"]),
        step(
            "drift of generated files",
            &["run", "--quiet", "--package", "xtask", "--", "check"],
        ),
        Step {
            name: "control plane",
            cargo: run_bin("control-plane", &[], &[]),
        },
        step("tests and journeys", &["test", "--workspace"]),
    ]
}

impl Step {
    fn run(&self) -> anyhow::Result<()> {
        let begin = now();
        tell(&format!("{} (cargo {})", self.name, self.cargo.join(" ")))?;
        let status = cargo(&self.cargo).status().context("cannot run cargo")?;
        let elapsed = begin.elapsed().as_secs_f32();
        anyhow::ensure!(
            status.success(),
            "step `{}` failed after {elapsed:.1} s",
            self.name
        );
        tell(&format!("{}: passed in {elapsed:.1} s", self.name))
    }
}

fn tell(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "==> {line}")?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: only for the person who waits"
)]
fn now() -> Instant {
    Instant::now()
}
