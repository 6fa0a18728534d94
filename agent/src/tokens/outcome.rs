//! The outcome of a call, and how it changes what is known. Pure, like the plan.

use std::sync::Arc;

use crds::authentication::ManagedServiceAccountStatus;
use jiff::{SignedDuration, Timestamp};
use kubernetes::pauses::jitter;

use super::{
    objects::{Account, Secret, ServiceAccount},
    seen::{Failure, Minted, Seen, Step, after},
    token::Token,
};

const FIRST_PAUSE: i64 = 250;
const LONGEST_PAUSE: i64 = 30_000;

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The account as it is now.
    Account(Account),
    /// The account is gone.
    AccountGone,
    ServiceAccount(ServiceAccount),
    ServiceAccountGone,
    Minted(Minted),
    /// A Secret that exists, but was not written by this call.
    Secret(Secret),
    /// The agent wrote the Secret.
    Written {
        secret: Secret,
        token: Minted,
        authority: Arc<[u8]>,
    },
    SecretGone,
    Reviewed {
        token: Token,
        good: bool,
    },
    /// The status that the agent wrote, and the account with what the hub stored of it.
    Status {
        asked: ManagedServiceAccountStatus,
        account: Account,
    },
    Failed(Refusal),
}

/// Why a call failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    /// The reason for conditions, Events and metrics.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// The shortest pause before the next attempt.
    pub(crate) pause: Option<SignedDuration>,
}

impl Seen {
    /// Takes in the outcome of a step. True if it failed for another reason than before.
    pub(crate) fn learn(&mut self, step: Step, outcome: Outcome, now: Timestamp) -> bool {
        let outcome = match outcome {
            Outcome::Failed(refusal) => return self.fail(step, refusal, now),
            outcome => outcome,
        };
        self.memory.failures.remove(&step);
        match outcome {
            Outcome::Account(account) => self.account = Some(Arc::new(account)),
            Outcome::AccountGone => self.account = None,
            Outcome::ServiceAccount(found) => self.service_account = Some(found),
            Outcome::ServiceAccountGone => self.service_account = None,
            Outcome::Minted(minted) => self.memory.minted = Some(minted),
            Outcome::Secret(secret) => self.secret = Some(secret),
            Outcome::Written {
                secret,
                token,
                authority,
            } => {
                self.secret = Some(secret);
                self.memory.minted = None;
                self.memory.written = Some(token);
                self.memory.authority = Some(authority);
            }
            Outcome::SecretGone => self.secret = None,
            Outcome::Reviewed { token, good: true } => self.memory.vouched = Some(token),
            Outcome::Reviewed { token, good: false } => self.memory.rejected = Some(token),
            Outcome::Status { asked, account } => {
                self.memory.status = Some((asked, account.status.clone()));
                self.account = Some(Arc::new(account));
            }
            Outcome::Failed(_) => {}
        }
        false
    }

    fn fail(&mut self, step: Step, refusal: Refusal, now: Timestamp) -> bool {
        let Refusal {
            reason,
            message,
            pause,
        } = refusal;
        let before = self.memory.failures.get(&step);
        let is_new = before.is_none_or(|before| before.reason != reason);
        let attempts = before.map_or(1, |before| before.attempts.saturating_add(1));
        let uid = self
            .account
            .as_ref()
            .map_or("", |account| &account.version.uid);
        let doubled = (FIRST_PAUSE << (attempts - 1).min(10)).min(LONGEST_PAUSE);
        let backoff = doubled + jitter(uid, doubled / 4);
        let pause = pause
            .unwrap_or_default()
            .max(SignedDuration::from_millis(backoff));
        let retry_at = after(now, pause);
        let failure = Failure {
            reason,
            message,
            attempts,
            retry_at,
        };
        self.memory.failures.insert(step, failure);
        is_new
    }
}
