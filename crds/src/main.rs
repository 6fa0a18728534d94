//! Prints one of the CRDs in `config/crds/`. `cargo xtask generate` calls it.

use std::io::Write as _;

use clap::Parser;

/// Prints the definition of a custom resource as YAML.
#[derive(Debug, Parser)]
#[command(name = "crds")]
struct Args {
    /// Plural name of the kind.
    plural: Plural,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Plural {
    Accessgrants,
    Gatewayconfigurations,
    Managedserviceaccounts,
}

fn main() -> anyhow::Result<()> {
    let crd = match Args::parse().plural {
        Plural::Accessgrants => crds::gateway::grant_crd(),
        Plural::Gatewayconfigurations => crds::gateway::crd(),
        Plural::Managedserviceaccounts => crds::authentication::crd(),
    };
    let yaml = serde_saphyr::to_string(&crd)?;
    Ok(std::io::stdout().write_all(yaml.as_bytes())?)
}
