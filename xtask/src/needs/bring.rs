//! Carries out the actions of a plan.

use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::{
    means::{DENY_VERSION, Root, shell, tools},
    plan::Action,
};
use crate::cargo::{cargo, root};

impl Action {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        for mut command in self.commands() {
            let status = command
                .stdin(Stdio::null())
                .status()
                .context("cannot run it")?;
            anyhow::ensure!(status.success(), "it exited with {status}");
        }
        Ok(())
    }

    fn commands(&self) -> Vec<Command> {
        match self {
            Self::AddComponent(name) => {
                let mut rustup = Command::new("rustup");
                rustup.args(["component", "add", name]).current_dir(root());
                vec![rustup]
            }
            Self::InstallCargoDeny => {
                let args = [
                    "install",
                    "cargo-deny",
                    "--locked",
                    "--version",
                    DENY_VERSION,
                ];
                let mut install = cargo(&args);
                install.arg("--root").arg(tools());
                vec![install]
            }
            Self::EnsurePip => vec![shell("python3 -m ensurepip --user")],
            Self::InstallPackages(root, names) => {
                let names = names.join(" ");
                let install = format!("install --yes --no-install-recommends {names}");
                vec![apt(*root, "update"), apt(*root, &install)]
            }
        }
    }
}

fn apt(root: Root, args: &str) -> Command {
    let sudo = match root {
        Root::Already => "",
        Root::BySudo => "sudo -n ",
    };
    shell(&format!(
        "{sudo}env DEBIAN_FRONTEND=noninteractive apt-get --quiet {args}"
    ))
}
