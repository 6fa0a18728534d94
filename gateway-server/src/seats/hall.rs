//! The short requests under way from this gateway to all managed clusters together. Who finds room
//! enters without a lock. Beyond that, callers of clusters take turns.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    full::Full,
    limits::Limits,
    queue::{Queue, Ticket},
};
use crate::metrics::{Counted, Gauge};

/// What all managed clusters have in common: the limits, and what counts for all of them together.
#[derive(Debug)]
pub(crate) struct Hall {
    pub(super) limits: Limits,
    /// How many are in.
    inside: AtomicUsize,
    /// How many wait here.
    outside: AtomicUsize,
    queue: Mutex<Queue<Pair, oneshot::Sender<()>>>,
    /// How many wait here or at a cluster.
    queued: AtomicUsize,
    waiting: Gauge,
}

/// A caller at a cluster. A cluster is told from others by the address of its seats, which they keep
/// while somebody waits.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Pair {
    pub(super) cluster: usize,
    pub(super) user: Arc<str>,
}

/// A request that waits somewhere. It counts until this is dropped.
#[derive(Debug)]
pub(super) struct Queued<'a> {
    hall: &'a Hall,
    _waiting: Counted,
}

/// One who waits to enter. If it is dropped before it has entered, its turn goes to the next.
#[derive(Debug)]
pub(super) struct Outside<'a> {
    hall: &'a Hall,
    pair: Pair,
    ticket: Ticket,
    turn: oneshot::Receiver<()>,
    is_in: bool,
}

impl Hall {
    /// `waiting` counts who waits here or at a cluster.
    pub(crate) fn new(limits: Limits, waiting: Gauge) -> Self {
        Self {
            limits,
            inside: AtomicUsize::new(0),
            outside: AtomicUsize::new(0),
            queue: Mutex::default(),
            queued: AtomicUsize::new(0),
            waiting,
        }
    }

    /// Makes room for one more who waits.
    pub(super) fn line_up(&self) -> Result<Queued<'_>, Full> {
        let most = self.limits.queued_requests;
        one_more(&self.queued, most).ok_or(Full::Queue(most))?;
        Ok(Queued {
            hall: self,
            _waiting: Counted::new(self.waiting.clone()),
        })
    }

    /// Enters if there is room and nobody waits for it.
    pub(super) fn try_enter(&self) -> bool {
        self.outside.load(SeqCst) == 0 && self.takes_room()
    }

    /// Waits to enter.
    pub(super) fn wait(&self, pair: Pair) -> Outside<'_> {
        let (sender, turn) = oneshot::channel();
        let mut queue = self.queue.lock();
        let ticket = queue.push(&pair, sender, true);
        // It counts before there is another look, so whoever leaves either sees it or has left room.
        self.outside.store(queue.len(), SeqCst);
        self.let_in(&mut queue);
        drop(queue);
        Outside {
            hall: self,
            pair,
            ticket,
            turn,
            is_in: false,
        }
    }

    /// Makes room for the next.
    pub(super) fn leave(&self) {
        self.inside.fetch_sub(1, SeqCst);
        if self.outside.load(SeqCst) > 0 {
            self.let_in(&mut self.queue.lock());
        }
    }

    fn let_in(&self, queue: &mut Queue<Pair, oneshot::Sender<()>>) {
        while !queue.is_empty() && self.takes_room() {
            let (_, next) = queue.pop().expect("no line is ever paused here");
            self.outside.store(queue.len(), SeqCst);
            // Whoever does not listen any more passes its turn on itself.
            let _ = next.send(());
        }
    }

    fn takes_room(&self) -> bool {
        one_more(&self.inside, self.limits.short_requests_total).is_some()
    }
}

impl Outside<'_> {
    /// Resolves when it is in.
    pub(super) async fn entered(mut self) {
        // The sender is kept until its turn has come.
        self.is_in = (&mut self.turn).await.is_ok();
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        if self.is_in {
            return;
        }
        let mut queue = self.hall.queue.lock();
        let waited = queue.remove(&self.pair, self.ticket).is_some();
        self.hall.outside.store(queue.len(), SeqCst);
        drop(queue);
        if !waited {
            self.hall.leave();
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.hall.queued.fetch_sub(1, SeqCst);
    }
}

/// Counts one more, unless there are as many as there may be.
fn one_more(count: &AtomicUsize, most: usize) -> Option<usize> {
    let more = |now: usize| (now < most).then_some(now + 1);
    count.fetch_update(SeqCst, SeqCst, more).ok()
}

#[cfg(test)]
mod tests;
