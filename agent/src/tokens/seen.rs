//! All that a plan may look at: the objects of one name, what the agent remembers of its own doing,
//! and the site that all accounts share.

use std::{collections::BTreeMap, sync::Arc};

use crds::authentication::ManagedServiceAccountStatus;
use jiff::{SignedDuration, Timestamp};

use super::{
    objects::{Account, Request, Secret, ServiceAccount},
    token::{Claims, Token},
};

/// What is the same for every account.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Site {
    /// The managed cluster's name, which is the namespace on the hub.
    pub(crate) cluster: String,
    /// Where the `ServiceAccount`s are on the managed cluster.
    pub(crate) namespace: String,
    /// How long the finalizer waits for a managed cluster that cannot be reached.
    pub(crate) hold: SignedDuration,
    /// PEM bundle of the managed cluster's API server.
    pub(crate) authority: Arc<[u8]>,
    pub(crate) accounts_listed: bool,
    pub(crate) secrets_listed: bool,
    pub(crate) service_accounts_listed: bool,
    /// Why the managed cluster cannot be watched now.
    pub(crate) spoke_fault: Option<String>,
    /// Until when nothing is issued, for the agent is being uninstalled.
    pub(crate) retired_until: Option<Timestamp>,
}

impl Site {
    /// Whether all that matters has been listed once.
    pub(crate) fn is_listed(&self) -> bool {
        self.accounts_listed && self.secrets_listed && self.service_accounts_listed
    }
}

/// Everything of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) account: Option<Arc<Account>>,
    pub(crate) service_account: Option<ServiceAccount>,
    pub(crate) secret: Option<Secret>,
    pub(crate) memory: Memory,
}

/// What a plan looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Observed<'a> {
    pub(crate) site: &'a Site,
    pub(crate) name: &'a str,
    pub(crate) seen: &'a Seen,
}

/// What the agent did for one account and would not see otherwise. Losing it costs one `TokenReview`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// A token that is in no Secret yet.
    pub(crate) minted: Option<Minted>,
    /// The token that we wrote last.
    pub(crate) written: Option<Minted>,
    /// A token that we did not write and that the managed cluster called good.
    pub(crate) vouched: Option<Token>,
    /// A token that the managed cluster called bad.
    pub(crate) rejected: Option<Token>,
    /// The authority that we wrote last.
    pub(crate) authority: Option<Arc<[u8]>>,
    /// The status that we wrote last, and what the hub made of it.
    pub(crate) status: Option<(ManagedServiceAccountStatus, ManagedServiceAccountStatus)>,
    /// The steps that failed when tried last.
    pub(crate) failures: BTreeMap<Step, Failure>,
}

/// A token as it came from the managed cluster.
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
    /// Of conditions, Events and metrics.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// How often in a row.
    pub(crate) attempts: u32,
    pub(crate) retry_at: Timestamp,
}

impl Step {
    /// What it is called in metrics.
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

    /// True where the managed cluster is asked, false where the hub is.
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
    /// True before a token that was fetched is in a Secret; false for one that was there already.
    pub(crate) fn is_first_write_of(&self, token: &Minted) -> bool {
        self.memory
            .minted
            .as_ref()
            .is_some_and(|minted| minted.token == token.token)
    }
}

impl Memory {
    /// When the step may be tried again, where that is later than `now`.
    pub(crate) fn blocked(&self, step: Step, now: Timestamp) -> Option<Timestamp> {
        let retry_at = self.failures.get(&step)?.retry_at;
        (retry_at > now).then_some(retry_at)
    }

    /// True for a token that needs no review.
    pub(crate) fn trusts(&self, token: &Token) -> bool {
        self.wrote(token).is_some() || self.vouched.as_ref() == Some(token)
    }

    /// What we know of it, where we wrote it.
    pub(crate) fn wrote(&self, token: &Token) -> Option<&Minted> {
        self.written
            .as_ref()
            .filter(|written| written.token == *token)
    }
}

/// A while after some moment.
pub(crate) fn after(moment: Timestamp, while_: SignedDuration) -> Timestamp {
    moment.checked_add(while_).unwrap_or(Timestamp::MAX)
}
