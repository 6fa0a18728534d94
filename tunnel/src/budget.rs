//! Limits how many bytes peers can make this process hold: each open pipe is charged its whole
//! windows, to its cluster and to the process, and is not opened if that exceeds a limit. A third
//! of each budget is reserved for pipes that many requests share, so that one caller's streams
//! never keep everybody else from the cluster.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{sync::Notify, time::timeout};

use crate::limits::STREAM_COST;

/// What a pipe may use of budgets, if not all (protocol.md §5.8).
const SHARE: HeaderName = HeaderName::from_static("spokeway-share");
const UNRESERVED: HeaderValue = HeaderValue::from_static("unreserved");

/// How much of a budget a pipe may use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Share {
    /// All of it, because many requests share the pipe.
    #[default]
    Whole,
    /// All but the reserve, because the pipe serves one request.
    Unreserved,
}

impl Share {
    /// Says so in the head of a pipe.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        match self {
            Self::Whole => {}
            Self::Unreserved => {
                headers.insert(SHARE, UNRESERVED);
            }
        }
    }

    /// What the head of a pipe says. A word that is not known means nothing.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        match headers.get(SHARE) {
            Some(word) if *word == UNRESERVED => Self::Unreserved,
            _ => Self::Whole,
        }
    }
}

/// A limit in bytes that its users share. Clones share it too.
#[derive(Clone, Debug)]
pub struct Budget {
    account: Arc<Account>,
    share: Share,
}

/// A budget that may be gone, because nobody has it any more.
#[derive(Clone, Debug)]
pub struct WeakBudget(Weak<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    used: AtomicUsize,
    parent: Option<Budget>,
    /// Wakes who waits, when bytes were given back here or to a part of it.
    freed: Notify,
}

/// Bytes that are charged to a budget and to those above it. Clones share them, and the last one
/// gives them back.
#[derive(Clone, Debug)]
pub struct Charge(Arc<Charged>);

#[derive(Debug)]
struct Charged {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget without a parent.
    pub fn new(limit: usize) -> Self {
        Self::below(None, limit)
    }

    /// A part of this budget. What is charged to the part is charged to both.
    pub fn part(&self, limit: usize) -> Self {
        Self::below(Some(self.clone()), limit)
    }

    fn below(parent: Option<Self>, limit: usize) -> Self {
        let account = Arc::new(Account {
            limit,
            used: AtomicUsize::new(0),
            parent,
            freed: Notify::new(),
        });
        Self {
            account,
            share: Share::Whole,
        }
    }

    /// The same budget, of which charges may use this share.
    pub fn sharing(&self, share: Share) -> Self {
        Self {
            account: Arc::clone(&self.account),
            share,
        }
    }

    /// How much of it charges may use.
    pub fn share(&self) -> Share {
        self.share
    }

    /// How many bytes are charged now.
    pub fn used(&self) -> usize {
        self.account.used.load(Ordering::Relaxed)
    }

    /// Charges all of `bytes` here and to the budgets above, or nothing at all.
    pub fn charge(&self, bytes: usize) -> Option<Charge> {
        if !self.account.take(bytes, self.share) {
            return None;
        }
        Some(Charge(Arc::new(Charged {
            budget: self.clone(),
            bytes,
        })))
    }

    /// Charges one pipe, on however many connections it is asked for. Those that have not answered
    /// hold nothing of it.
    pub fn charge_pipe(&self) -> Option<Charge> {
        self.charge(STREAM_COST)
    }

    /// Like [`charge_pipe`](Self::charge_pipe), but waits for so long until there is room.
    pub async fn charge_pipe_within(&self, patience: Duration) -> Option<Charge> {
        let freed = &self.account.root().freed;
        let charged = async {
            loop {
                // Registered before the attempt, so that nothing is missed that is freed meanwhile.
                let mut freed = std::pin::pin!(freed.notified());
                freed.as_mut().enable();
                if let Some(charge) = self.charge_pipe() {
                    return charge;
                }
                freed.await;
            }
        };
        timeout(patience, charged).await.ok()
    }

    /// The same budget, for whoever must not keep it.
    pub fn downgrade(&self) -> WeakBudget {
        WeakBudget(Arc::downgrade(&self.account))
    }
}

impl WeakBudget {
    /// The budget, if somebody has it.
    pub fn upgrade(&self) -> Option<Budget> {
        Some(Budget {
            account: self.0.upgrade()?,
            share: Share::Whole,
        })
    }

    /// Whether nobody has the budget any more.
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Charge {
    /// How much of the budget it may use.
    pub(crate) fn share(&self) -> Share {
        self.0.budget.share
    }
}

impl Account {
    /// How many bytes may be charged in all if the last ones have this share.
    fn limit(&self, share: Share) -> usize {
        match share {
            Share::Whole => self.limit,
            Share::Unreserved => self.limit - self.limit / 3,
        }
    }

    fn take(&self, bytes: usize, share: Share) -> bool {
        let limit = self.limit(share);
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit);
        if self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_err()
        {
            return false;
        }
        let above = self
            .parent
            .as_ref()
            .is_none_or(|parent| parent.account.take(bytes, share));
        if !above {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        above
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        match &self.parent {
            Some(parent) => parent.account.give_back(bytes),
            None => self.freed.notify_waiters(),
        }
    }

    /// The budget above all.
    fn root(&self) -> &Self {
        let parent = self.parent.as_ref();
        parent.map_or(self, |parent| parent.account.root())
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.budget.account.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_bounded_by_itself_and_by_the_whole() {
        let process = Budget::new(10);
        let (one, other) = (process.part(6), process.part(6));
        let first = one.charge(6).unwrap();
        assert!(one.charge(1).is_none());
        assert!(other.charge(5).is_none());
        let _second = other.charge(4).unwrap();
        assert_eq!((one.used(), other.used(), process.used()), (6, 4, 10));
        drop(first);
        assert_eq!((one.used(), other.used(), process.used()), (0, 4, 4));
        assert!(one.charge(usize::MAX).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_waits_for_room_here_or_above_but_not_for_ever() {
        let patience = Duration::from_secs(2);
        let process = Budget::new(STREAM_COST);
        let (one, other) = (process.part(STREAM_COST), process.part(STREAM_COST));
        let first = one.charge_pipe_within(patience).await.unwrap();
        assert!(one.charge_pipe_within(patience).await.is_none());
        let waiting = other.charge_pipe_within(patience);
        let leaving = async {
            tokio::time::sleep(patience / 2).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(waiting, leaving);
        assert!(second.is_some());
    }

    #[test]
    fn a_third_is_reserved_for_pipes_that_many_requests_share() {
        let process = Budget::new(12);
        let cluster = process.part(9);
        let streams = cluster.sharing(Share::Unreserved);
        let _held: Vec<_> = (0..6).map(|_| streams.charge(1).unwrap()).collect();
        assert!(streams.charge(1).is_none());
        let _shared = cluster.charge(3).unwrap();
        assert!(cluster.charge(1).is_none());
        // The streams of all clusters together leave a third of the process free.
        let other = process.part(9);
        assert!(other.sharing(Share::Unreserved).charge(1).is_none());
        assert!(other.charge(3).is_some());
    }
}
