//! `cargo xtask test`: the gate. It runs the cheapest step first and stops at the first one that
//! fails. The tests are the last step; see [`suites`].

use std::{process::Command, time::Instant};

use anyhow::Context as _;

use crate::{
    cargo::{cargo, root, run_bin},
    needs::{self, CLIPPY, DENY, GO, NAMESPACES, NODE, RUSTFMT, Skips},
    suites,
    terminal::{now, tell},
};

const CLIPPY_ARGS: [&str; 6] = [
    "clippy",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];

struct Step {
    name: &'static str,
    command: Command,
}

/// Runs every step, and reports at the end what was skipped.
pub(crate) fn run(skips: Skips) -> anyhow::Result<()> {
    let begin = now();
    let needs = [RUSTFMT, CLIPPY, DENY, GO, NAMESPACES, NODE];
    let mut skipped = needs::meet(&needs, skips)?;
    let mut steps = lints();
    steps.extend([
        Step {
            name: "deny",
            command: deny()?,
        },
        step(
            "generated files and import circles",
            &["run", "--quiet", "--package", "xtask", "--", "check"],
        ),
        step("control plane", &run_bin("control-plane", &[], &[])),
        step("Go stack", &run_bin("control-plane", &[], &["--go-stack"])),
    ]);
    run_all(steps)?;
    let suites = suites::build()?;
    // The programs that journeys start are built before, so that no journey waits for a compiler or
    // runs beside one.
    step("programs", &["build", "--workspace", "--bins"]).run()?;
    skipped.extend(suites::run(&suites, skips)?);
    all_passed(begin)?;
    skipped.iter().try_for_each(|line| tell(line))
}

/// Runs what takes seconds: no journeys, and nothing that needs a control plane.
pub(crate) fn quick() -> anyhow::Result<()> {
    let begin = now();
    needs::meet(&[RUSTFMT, CLIPPY], Skips::Forbidden)?;
    let mut steps = lints();
    steps.push(step(
        "unit tests",
        &["test", "--workspace", "--lib", "--bins"],
    ));
    run_all(steps)?;
    all_passed(begin)
}

fn lints() -> Vec<Step> {
    vec![
        step("format", &["fmt", "--all", "--check"]),
        step("clippy", &CLIPPY_ARGS),
    ]
}

fn deny() -> anyhow::Result<Command> {
    let program =
        needs::cargo_deny().context("cannot find cargo-deny, although it was found before")?;
    let mut deny = Command::new(program);
    // cargo-deny expects the name of the subcommand first, because cargo passes it.
    deny.args(["deny", "check", "bans", "licenses", "sources"]);
    deny.current_dir(root());
    Ok(deny)
}

fn step(name: &'static str, args: &[&str]) -> Step {
    Step {
        name,
        command: cargo(args),
    }
}

fn run_all(steps: Vec<Step>) -> anyhow::Result<()> {
    steps.into_iter().try_for_each(Step::run)
}

fn all_passed(begin: Instant) -> anyhow::Result<()> {
    tell(&format!(
        "all steps passed in {:.1} s",
        begin.elapsed().as_secs_f32()
    ))
}

impl Step {
    fn run(mut self) -> anyhow::Result<()> {
        let begin = now();
        let args = self.command.get_args().map(|arg| arg.to_string_lossy());
        let line = args.collect::<Vec<_>>().join(" ");
        tell(&format!("{} (cargo {line})", self.name))?;
        let status = self.command.status().context("cannot run it")?;
        let elapsed = begin.elapsed().as_secs_f32();
        anyhow::ensure!(
            status.success(),
            "step `{}` failed after {elapsed:.1} s",
            self.name
        );
        tell(&format!("{}: passed in {elapsed:.1} s", self.name))
    }
}
