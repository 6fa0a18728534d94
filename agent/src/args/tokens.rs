//! The flags that say whether and how tokens are looked after.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use kubernetes::source::Source;

use crate::tokens::TokenSettings;

/// Tokens of `ManagedServiceAccounts`.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Args, Clone, Debug)]
pub(super) struct TokenArgs {
    /// Look after ManagedServiceAccounts: issue, renew and revoke their tokens. Off where another
    /// agent does that.
    #[arg(
        long,
        env = "AGENT_TOKENS",
        value_name = "BOOL",
        default_value_t = false,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set,
        requires = "hub_kubeconfig"
    )]
    tokens: bool,
    /// Namespace on this cluster for the ServiceAccounts of ManagedServiceAccounts. Ours alone: what
    /// has their label there and no account is deleted.
    #[arg(
        long,
        env = "AGENT_TOKEN_NAMESPACE",
        value_name = "NAME",
        default_value = "open-cluster-management-managed-serviceaccount"
    )]
    token_namespace: String,
    /// Seconds that the deletion of a ManagedServiceAccount waits for this cluster's API server to
    /// revoke its token, before it goes on without.
    #[arg(
        long,
        env = "AGENT_REVOCATION_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 600
    )]
    revocation_timeout: u64,
    /// Kubeconfig of this cluster; the pod's own ServiceAccount where it is not given.
    #[arg(long, env = "AGENT_SPOKE_KUBECONFIG", value_name = "FILE")]
    spoke_kubeconfig: Option<PathBuf>,
}

impl TokenArgs {
    /// Whether tokens are looked after, how, and where this cluster is.
    pub(super) fn settings(self, cluster: String) -> (bool, TokenSettings, Source) {
        let Self {
            tokens,
            token_namespace,
            revocation_timeout,
            spoke_kubeconfig,
        } = self;
        let settings = TokenSettings {
            cluster,
            namespace: token_namespace,
            hold: Duration::from_secs(revocation_timeout),
        };
        let spoke = Source::from(spoke_kubeconfig);
        (tokens, settings, spoke)
    }
}
