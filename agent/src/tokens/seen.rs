//! Everything that a plan may read: the objects of one name, what the agent remembers of its own
//! actions, and the site that all accounts share.

use std::{collections::BTreeMap, sync::Arc};

use crds::authentication::ManagedServiceAccountStatus;
use jiff::{SignedDuration, Timestamp};

use super::{
    objects::{Account, Request, Secret, ServiceAccount},
    ownership::Owner,
    token::{Claims, Token},
};

/// What all accounts share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Site {
    /// The managed cluster's name, which is the namespace on the hub.
    pub(crate) cluster: String,
    /// The namespace of the `ServiceAccount`s on the managed cluster.
    pub(crate) namespace: String,
    /// Whose objects on the managed cluster the agent's are. `None` if it does not know its hub.
    pub(crate) owner: Option<Owner>,
    /// How long the finalizer waits for a managed cluster that does not answer.
    pub(crate) hold: SignedDuration,
    /// PEM bundle of the managed cluster's API server.
    pub(crate) authority: Arc<[u8]>,
    pub(crate) accounts_listed: bool,
    pub(crate) secrets_listed: bool,
    pub(crate) service_accounts_listed: bool,
    /// Why the managed cluster cannot be watched now.
    pub(crate) spoke_fault: Option<String>,
    /// Until when no token is issued, because the agent is being uninstalled.
    pub(crate) retired_until: Option<Timestamp>,
}

impl Site {
    /// Whether every kind that plans need was listed once.
    pub(crate) fn is_listed(&self) -> bool {
        self.accounts_listed && self.secrets_listed && self.service_accounts_listed
    }
}

/// Everything that is known of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) account: Option<Arc<Account>>,
    pub(crate) service_account: Option<ServiceAccount>,
    pub(crate) secret: Option<Secret>,
    pub(crate) memory: Memory,
}

/// Everything that a plan reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Observed<'a> {
    pub(crate) site: &'a Site,
    pub(crate) name: &'a str,
    pub(crate) seen: &'a Seen,
}

impl<'a> Observed<'a> {
    /// The `ServiceAccount`, if it belongs to this agent.
    pub(crate) fn own(&self) -> Option<&'a ServiceAccount> {
        let account = self.seen.account.as_ref();
        let account = account.map(|account| account.version.uid.as_str());
        let found = self.seen.service_account.as_ref()?;
        found
            .mark
            .is_of(self.site.owner.as_ref(), account)
            .then_some(found)
    }

    /// The `ServiceAccount`, if it belongs to somebody else.
    pub(crate) fn foreign(&self) -> Option<&'a ServiceAccount> {
        let found = self.seen.service_account.as_ref();
        found.filter(|_| self.own().is_none())
    }
}

/// What the agent did for one account and cannot observe. If it is lost, one `TokenReview` makes up
/// for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// A token that is not in a Secret yet.
    pub(crate) minted: Option<Minted>,
    /// The token that the agent wrote last.
    pub(crate) written: Option<Minted>,
    /// A token that somebody else wrote and the managed cluster accepted.
    pub(crate) vouched: Option<Token>,
    /// A token that the managed cluster rejected.
    pub(crate) rejected: Option<Token>,
    /// The authority that the agent wrote last.
    pub(crate) authority: Option<Arc<[u8]>>,
    /// The status that the agent wrote last, and what the hub stored of it.
    pub(crate) status: Option<(ManagedServiceAccountStatus, ManagedServiceAccountStatus)>,
    /// The steps whose last attempt failed.
    pub(crate) failures: BTreeMap<Step, Failure>,
}

/// A token that the managed cluster has issued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Minted {
    pub(crate) token: Token,
    pub(crate) claims: Claims,
    pub(crate) request: Request,
    pub(crate) received: Timestamp,
}

/// One call to one of the two API servers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Step {
    AddFinalizer,
    CreateServiceAccount,
    RequestToken,
    WriteSecret,
    ReviewToken,
    WriteStatus,
    DeleteAccount,
    DeleteServiceAccount,
    DeleteSecret,
    RemoveFinalizer,
}

/// A step that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// The reason for conditions, Events and metrics.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// How many times in a row it has failed.
    pub(crate) attempts: u32,
    pub(crate) retry_at: Timestamp,
}

impl Step {
    /// The name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AddFinalizer => "add_finalizer",
            Self::CreateServiceAccount => "create_service_account",
            Self::RequestToken => "request_token",
            Self::WriteSecret => "write_secret",
            Self::ReviewToken => "review_token",
            Self::WriteStatus => "write_status",
            Self::DeleteAccount => "delete_account",
            Self::DeleteServiceAccount => "delete_service_account",
            Self::DeleteSecret => "delete_secret",
            Self::RemoveFinalizer => "remove_finalizer",
        }
    }

    /// True if the step calls the managed cluster, false if it calls the hub.
    pub(crate) fn is_of_spoke(self) -> bool {
        matches!(
            self,
            Self::CreateServiceAccount
                | Self::RequestToken
                | Self::ReviewToken
                | Self::DeleteServiceAccount
        )
    }
}

impl Seen {
    /// True for a newly issued token that is not in a Secret yet, false for one that was there
    /// already.
    pub(crate) fn is_first_write_of(&self, token: &Minted) -> bool {
        self.memory
            .minted
            .as_ref()
            .is_some_and(|minted| minted.token == token.token)
    }
}

impl Memory {
    /// When the step may be tried again, if that is later than `now`.
    pub(crate) fn blocked(&self, step: Step, now: Timestamp) -> Option<Timestamp> {
        let retry_at = self.failures.get(&step)?.retry_at;
        (retry_at > now).then_some(retry_at)
    }

    /// True if the token needs no review.
    pub(crate) fn trusts(&self, token: &Token) -> bool {
        self.wrote(token).is_some() || self.vouched.as_ref() == Some(token)
    }

    /// What the agent knows of the token, if it wrote it.
    pub(crate) fn wrote(&self, token: &Token) -> Option<&Minted> {
        self.written
            .as_ref()
            .filter(|written| written.token == *token)
    }
}

/// The time `while_` after `moment`.
pub(crate) fn after(moment: Timestamp, while_: SignedDuration) -> Timestamp {
    moment.checked_add(while_).unwrap_or(Timestamp::MAX)
}
