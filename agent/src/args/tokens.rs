//! The flags that say whether and how the agent manages tokens.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use kubernetes::source::Source;

use crate::tokens::{Owner, TokenSettings};

/// Tokens of `ManagedServiceAccounts`.
#[expect(
    clippy::doc_markdown,
    reason = "shown by --help, where backticks are noise"
)]
#[derive(Args, Clone, Debug)]
pub(super) struct TokenArgs {
    /// Issue, renew and revoke the tokens of ManagedServiceAccounts. Leave it off if another agent does
    /// that.
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
    /// Namespace on this cluster for the ServiceAccounts of ManagedServiceAccounts. Only the agent may use
    /// it: the agent deletes each labelled ServiceAccount of its own there that has no ManagedServiceAccount.
    #[arg(
        long,
        env = "AGENT_TOKEN_NAMESPACE",
        value_name = "NAME",
        default_value = "open-cluster-management-managed-serviceaccount"
    )]
    token_namespace: String,
    /// What tells this hub from all others, in lower-case letters and digits. The ServiceAccounts of the agent
    /// are annotated with it, and the agent changes and deletes no others. Without it, every labelled
    /// ServiceAccount that names no hub counts as the agent's own.
    #[arg(long, env = "AGENT_HUB_ID", value_name = "ID")]
    hub_id: Option<String>,
    /// Seconds that the deletion of a ManagedServiceAccount waits until its token is revoked on this cluster.
    /// After that, the ManagedServiceAccount is deleted although the token may still work.
    #[arg(
        long,
        env = "AGENT_REVOCATION_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 600
    )]
    revocation_timeout: u64,
    /// Kubeconfig of this cluster. If it is not set, the agent uses the ServiceAccount of its Pod.
    #[arg(long, env = "AGENT_SPOKE_KUBECONFIG", value_name = "FILE")]
    spoke_kubeconfig: Option<PathBuf>,
}

impl TokenArgs {
    /// Returns whether the agent manages tokens, how, and how to reach this cluster.
    pub(super) fn settings(
        self,
        cluster: String,
        faults: &mut Vec<String>,
    ) -> (bool, TokenSettings, Source) {
        let Self {
            tokens,
            token_namespace,
            hub_id,
            revocation_timeout,
            spoke_kubeconfig,
        } = self;
        for id in hub_id.iter().filter(|id| !is_id(id)) {
            faults.push(format!(
                "--hub-id {id:?}: must be 1 to 63 lower-case letters and digits"
            ));
        }
        let settings = TokenSettings {
            owner: hub_id.map(|id| Owner::new(&id, &cluster)),
            cluster,
            namespace: token_namespace,
            hold: Duration::from_secs(revocation_timeout),
        };
        let spoke = Source::from(spoke_kubeconfig);
        (tokens, settings, spoke)
    }
}

fn is_id(id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&id.len()) && id.bytes().all(known)
}
