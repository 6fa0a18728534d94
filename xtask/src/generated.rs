//! Files that are written by the code they describe. `generate` writes them, `check` fails when one
//! is out of date.

use std::{fs, path::Path};

use anyhow::Context as _;

use crate::cargo::{cargo, root, run_bin};

/// A generated file, and the program that prints it, by these calls one after another.
struct Generated {
    path: &'static str,
    program: &'static str,
    calls: &'static [&'static [&'static str]],
}

const HELP: &[&[&str]] = &[&["--help"]];

const ALL: &[Generated] = &[
    Generated {
        path: "config/crds/accessgrants.yaml",
        program: "crds",
        calls: &[&["accessgrants"]],
    },
    Generated {
        path: "config/crds/gatewayconfigurations.yaml",
        program: "crds",
        calls: &[&["gatewayconfigurations"]],
    },
    Generated {
        path: "config/crds/managedserviceaccounts.yaml",
        program: "crds",
        calls: &[&["managedserviceaccounts"]],
    },
    Generated {
        path: "docs/cli/agent.txt",
        program: "agent",
        calls: HELP,
    },
    Generated {
        path: "docs/cli/operator.txt",
        program: "operator",
        calls: HELP,
    },
    Generated {
        path: "docs/cli/gateway-server.txt",
        program: "gateway-server",
        calls: HELP,
    },
    Generated {
        path: "docs/cli/kubectl-gateway.txt",
        program: "kubectl-gateway",
        calls: &[
            &["--help"],
            &["kubeconfig", "--help"],
            &["clusters", "--help"],
            &["grant", "--help"],
            &["who-can", "--help"],
            &["grants", "diff", "--help"],
        ],
    },
];

/// Writes every generated file anew.
pub(crate) fn generate() -> anyhow::Result<()> {
    for file in ALL {
        fs::write(root().join(file.path), file.content()?)
            .with_context(|| format!("cannot write {}", file.path))?;
    }
    Ok(())
}

/// Names every generated file that is out of date.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for file in ALL {
        if fs::read(root().join(file.path)).ok() != Some(file.content()?) {
            stale.push(file.path);
        }
    }
    let stale = stale.join(", ");
    anyhow::ensure!(
        stale.is_empty(),
        "these generated files are out of date: {stale}; run `cargo xtask generate`"
    );
    Ok(())
}

impl Generated {
    fn content(&self) -> anyhow::Result<Vec<u8>> {
        let printed = self.calls.iter().map(|args| self.printed(args));
        Ok(printed
            .collect::<anyhow::Result<Vec<_>>>()?
            .join(&b"\n"[..]))
    }

    fn printed(&self, args: &[&str]) -> anyhow::Result<Vec<u8>> {
        let mut command = cargo(&run_bin(self.program, &[], args));
        let output = command.output().context("cannot run cargo")?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(
            output.status.success(),
            "{} failed: {said}",
            Path::new(self.path).display()
        );
        Ok(output.stdout)
    }
}
