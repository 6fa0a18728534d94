//! The command line: how to reach the hub, and a verb. Each verb's own arguments are in its own
//! file.

use std::ffi::OsString;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::verbs::{
    clusters::ClustersArgs, grant::GrantArgs, grants_diff::GrantsVerb, kubeconfig::KubeconfigArgs,
    who_can::WhoCanArgs,
};

/// Work with managed clusters through the hub, and manage who may do what on them.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-gateway",
    bin_name = "kubectl gateway",
    version,
    arg_required_else_help = true
)]
pub struct Args {
    #[command(flatten)]
    pub(crate) hub: HubArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where the hub is.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "The hub")]
pub(crate) struct HubArgs {
    /// Kubeconfig file, or a list of files as in KUBECONFIG. If neither is set, ~/.kube/config is used
    #[arg(
        long,
        env = "KUBECONFIG",
        hide_env_values = true,
        global = true,
        value_name = "FILE"
    )]
    pub(crate) kubeconfig: Option<OsString>,
    /// Context of the hub, or of a managed cluster behind it. If it is not set, the current context is used
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Kubeconfig(KubeconfigArgs),
    Clusters(ClustersArgs),
    Grant(GrantArgs),
    WhoCan(WhoCanArgs),
    #[command(subcommand)]
    Grants(GrantsVerb),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_grant_says_who_what_and_where() {
        for line in [
            "x grant user:alice --role view --clusters a,b",
            "x grant gateway --role view -l env=prod --placement a/b --wait=false",
            "x grant sa:a/b --rules-file f --clusters a --namespaces n --create-namespaces",
        ] {
            assert!(parsed(line).is_ok(), "{line}");
        }
        for line in [
            "x grant alice --role view --clusters a",
            "x grant user:alice --clusters a",
            "x grant user:alice --role view",
            "x grant user:alice --role view --rules-file f --clusters a",
            "x grant user:alice --role view --placement b",
            "x grant user:alice --role view --clusters a --create-namespaces",
            "x grant user:alice --role view -l env=",
        ] {
            let is_empty_value = line.ends_with("env=");
            assert_eq!(parsed(line).is_ok(), is_empty_value, "{line}");
        }
    }

    #[test]
    fn the_hub_is_named_before_or_after_the_verb() {
        for line in [
            "x --context hub clusters",
            "x clusters --context hub",
            "x grants diff --context hub -f a -f b",
        ] {
            let args = parsed(line).unwrap();
            assert_eq!(args.hub.context.as_deref(), Some("hub"), "{line}");
        }
    }
}
