//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use crds::{
    gateway::{PlacementReference, Subject},
    label_selector::{self, LabelFault, Requirement},
};

use crate::{subject, who_can::Asked};

/// Work on managed clusters through the hub, and say who may do what there.
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
    /// Kubeconfig, or a list of them as in the variable; ~/.kube/config where there is none
    #[arg(
        long,
        env = "KUBECONFIG",
        hide_env_values = true,
        global = true,
        value_name = "FILE"
    )]
    pub(crate) kubeconfig: Option<OsString>,
    /// Context of the hub, or of a managed cluster behind it; the current one where it is not given
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

/// Write a context for a managed cluster into the kubeconfig
///
/// The context is the managed cluster behind the hub's gateway, reached with the hub's own user: there is
/// no secret in it that the kubeconfig does not have already. Everything else in the file stays.
#[derive(Debug, ClapArgs)]
pub(crate) struct KubeconfigArgs {
    /// Name of the managed cluster
    pub(crate) cluster: String,
    /// Name of the context that is written [default: the cluster's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Write into this file, with a copy of the hub's user, and not into the kubeconfig in use
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Make it the current context
    #[arg(long = "use")]
    pub(crate) use_it: bool,
}

/// List the managed clusters that the gateway serves, with your grants there
#[derive(Debug, ClapArgs)]
pub(crate) struct ClustersArgs {
    /// Only clusters whose labels fulfil this, as env=prod,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// How an answer is printed.
#[derive(Debug, ClapArgs)]
pub(crate) struct Printing {
    /// How to print it
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
}

/// Grant somebody of the hub a role on managed clusters
///
/// Makes an AccessGrant and waits until it holds on all of its clusters. You need the verb grant on them.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  kubectl gateway grant user:alice --role view --clusters managed1 --for 8h
  kubectl gateway grant group:shop --role edit -l env=staging --namespaces shop --create-namespaces
  kubectl gateway grant sa:ci/deployer --rules-file rules.yaml --placement ci/all --dry-run")]
pub(crate) struct GrantArgs {
    /// user:NAME, group:NAME, sa:NAMESPACE/NAME, or gateway: everybody whom no other grant names
    #[arg(value_parser = subject::parse)]
    pub(crate) subject: Subject,
    /// ClusterRole of the managed clusters: view, edit, admin, cluster-admin, or one of their own
    #[arg(long, required_unless_present = "rules_file")]
    pub(crate) role: Option<String>,
    /// YAML with the rules of a role, as a list or as a Role or ClusterRole; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "role")]
    pub(crate) rules_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) clusters: GrantClustersArgs,
    /// Only in these namespaces [default: the whole cluster]
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES")]
    pub(crate) namespaces: Vec<String>,
    /// Make those namespaces that are missing; they stay when the grant ends
    #[arg(long, requires = "namespaces")]
    pub(crate) create_namespaces: bool,
    /// How long it holds, as 8h [default: for good]
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) lasts: Option<String>,
    /// Name of the AccessGrant [default: made of subject and role]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Print what the hub would store, and store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait until it holds on all of its clusters, or say where it does not
    #[arg(
        long,
        action = ArgAction::Set,
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        value_name = "BOOL"
    )]
    pub(crate) wait: bool,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
}

/// Which clusters are granted: all that any of these chooses.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = true)]
pub(crate) struct GrantClustersArgs {
    /// Clusters by name
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) clusters: Vec<String>,
    /// Clusters by labels, now and later, as env=prod,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    /// Clusters that a placement has chosen, now and later
    #[arg(
        long = "placement",
        value_name = "NAMESPACE/NAME",
        value_delimiter = ',',
        value_parser = placement
    )]
    pub(crate) placements: Vec<PlacementReference>,
}

/// Say whom AccessGrants let do something on managed clusters, by which grant, and until when
///
/// Rights that managed clusters give by themselves are not looked at, and neither are those that the
/// hub's RBAC needs for the way through the gateway.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, ClapArgs)]
pub(crate) struct WhoCanArgs {
    /// Verb of RBAC: get, list, watch, create, update, patch, delete, …
    pub(crate) verb: String,
    /// As pods, pods/log, deployments.apps, deployments/scale.apps
    #[arg(value_name = "RESOURCE[/SUBRESOURCE][.GROUP]")]
    pub(crate) resource: Asked,
    /// Only on these clusters
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        conflicts_with = "selector"
    )]
    pub(crate) clusters: Vec<String>,
    /// Only on clusters whose labels fulfil this, as env=prod,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    /// In this namespace [default: in any]
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// Look at AccessGrants before they are applied
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, Subcommand)]
pub(crate) enum GrantsVerb {
    Diff(DiffArgs),
}

/// Say which rights AccessGrants in files would give and take, cluster by cluster
///
/// Ends with 0 where nothing would change, with 1 where something would, and with more than that where it
/// cannot be said. AccessGrants of the hub that no file has are left alone.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Debug, ClapArgs)]
pub(crate) struct DiffArgs {
    /// YAML or JSON; a directory for all such files in it, - for stdin
    #[arg(long, short, required = true, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// A label selector.
pub(crate) type Selector = std::sync::Arc<[Requirement]>;

fn selector(text: &str) -> Result<Selector, LabelFault> {
    Ok(label_selector::parse(text)?.into())
}

fn placement(text: &str) -> Result<PlacementReference, &'static str> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(PlacementReference {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => Err("write NAMESPACE/NAME of the placement"),
    }
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
