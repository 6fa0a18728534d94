//! Limits how many bytes peers can make this process hold: each open pipe is charged its whole
//! windows, to its cluster and to the process, and is not opened if that exceeds a limit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A limit in bytes that its users share. Clones share it too.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    used: AtomicUsize,
    parent: Option<Budget>,
}

/// Bytes that are charged to a budget and to those above it. Dropping it gives them back.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget without a parent.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Account {
            limit,
            used: AtomicUsize::new(0),
            parent: None,
        }))
    }

    /// A part of this budget. What is charged to the part is charged to both.
    pub fn part(&self, limit: usize) -> Self {
        let parent = Some(self.clone());
        Self(Arc::new(Account {
            limit,
            used: AtomicUsize::new(0),
            parent,
        }))
    }

    /// How many bytes are charged now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Charges all of `bytes` here and to the budgets above, or nothing at all.
    pub fn charge(&self, bytes: usize) -> Option<Charge> {
        if !self.take(bytes) {
            return None;
        }
        Some(Charge {
            budget: self.clone(),
            bytes,
        })
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        if self
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_err()
        {
            return false;
        }
        let above = self
            .0
            .parent
            .as_ref()
            .is_none_or(|parent| parent.take(bytes));
        if !above {
            self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        above
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(parent) = &self.0.parent {
            parent.give_back(bytes);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
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
}
