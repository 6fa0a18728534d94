//! The flags that say who callers are on managed clusters.

use clap::{Args, ValueEnum};
use crds::gateway::{Fallback, UserPrefix};

use super::go::Penetration;
use crate::identities::Identities;

/// Who callers are on managed clusters.
#[derive(Clone, Debug, Args)]
pub(super) struct IdentityArgs {
    /// The identity of callers on managed clusters: impersonate (a caller whom an `AccessGrant` names
    /// acts as itself, with the rights of the grants that are valid at the moment; this is the
    /// default), or service-account (every caller acts as the gateway's account).
    #[arg(
        long,
        env = "GATEWAY_IDENTITY",
        value_name = "IDENTITY",
        value_enum,
        hide_possible_values = true
    )]
    identity: Option<Identity>,
    /// What precedes the names of users on managed clusters. If it is empty, users have the same
    /// names there as on the hub.
    #[arg(
        long,
        env = "GATEWAY_USER_PREFIX",
        value_name = "PREFIX",
        default_value = "hub:"
    )]
    user_prefix: UserPrefix,
    /// What a caller may do whom no `AccessGrant` names: account (act as the gateway's account),
    /// deny (nothing), or auto (account on clusters where no `AccessGrant` has ever been used,
    /// otherwise deny; this is the default).
    #[arg(
        long,
        env = "GATEWAY_FALLBACK",
        value_name = "FALLBACK",
        value_enum,
        hide_possible_values = true
    )]
    fallback: Option<Fallback>,
}

/// The identity of callers on managed clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Identity {
    /// A caller whom an `AccessGrant` names acts as itself.
    Impersonate,
    /// Every caller acts as the gateway's account.
    ServiceAccount,
}

impl IdentityArgs {
    /// `None` if every caller acts as the gateway's account. `penetration` is what the Go program's
    /// feature gates say.
    pub(super) fn settings(
        self,
        penetration: Option<Penetration>,
    ) -> Result<Option<Identities>, &'static str> {
        let Self {
            identity,
            user_prefix: prefix,
            fallback,
        } = self;
        let identity = match (identity, penetration) {
            (Some(Identity::Impersonate), Some(Penetration::Off))
            | (Some(Identity::ServiceAccount), Some(Penetration::On)) => {
                return Err(
                    "--identity and --feature-gates=ClientIdentityPenetration contradict \
                            each other; give only one of them",
                );
            }
            (Some(identity), _) => identity,
            (None, None | Some(Penetration::On)) => Identity::Impersonate,
            (None, Some(Penetration::Off | Penetration::OffByDefault)) => Identity::ServiceAccount,
        };
        // Whoever asked that callers act as themselves did not ask for an exception.
        let fallback = fallback.unwrap_or(match penetration {
            Some(Penetration::On) => Fallback::Deny,
            _ => Fallback::Auto,
        });
        Ok(match identity {
            Identity::Impersonate => Some(Identities { prefix, fallback }),
            Identity::ServiceAccount => None,
        })
    }
}
