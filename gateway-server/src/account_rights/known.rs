//! What is known of the account's rights on one managed cluster, and when to ask again.

use parking_lot::Mutex;
use tokio::time::Instant;

/// What is known of the account's rights on one managed cluster.
#[derive(Debug, Default)]
pub(crate) struct AccountRights(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// `None` until the cluster has answered.
    excess: Option<Vec<String>>,
    /// When to ask again; `None` if it was never asked.
    due: Option<Instant>,
}

impl AccountRights {
    /// What the account may do beyond impersonation. `None` if that is not known, or if it is meant to
    /// have rights there.
    pub(crate) fn excess(&self) -> Option<Vec<String>> {
        self.0.lock().excess.clone()
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.0.lock().due.is_none_or(|due| due <= now)
    }

    /// Takes in an answer. Without one, the last one stays.
    pub(super) fn asked(&self, excess: Option<Vec<String>>, due: Instant) {
        let mut known = self.0.lock();
        known.due = Some(due);
        if excess.is_some() {
            known.excess = excess;
        }
    }

    /// The account is meant to have rights on the cluster.
    pub(super) fn forget(&self) {
        *self.0.lock() = Known::default();
    }
}
