//! The way from requests to the writer: bounded in bytes and in events. Nobody waits at its near end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::warn;

use super::{complaint::Complaint, event::Event};
use crate::metrics::AuditMetrics;

/// What may wait to be written: some seconds of a busy gateway.
pub(super) const MOST_BYTES: usize = 32 << 20;
/// The same as a number. An event takes at least a kilobyte.
const MOST_EVENTS: usize = MOST_BYTES >> 10;

/// The near end.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<Message>,
    bytes: Arc<AtomicUsize>,
    metrics: AuditMetrics,
    complaint: Complaint,
}

/// The far end.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: mpsc::Receiver<Message>,
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub(super) enum Message {
    Event(Event),
    /// Write all events that came before this one now, and answer when that is done.
    Flush(oneshot::Sender<()>),
}

pub(super) fn queue(metrics: AuditMetrics) -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel(MOST_EVENTS);
    let bytes = Arc::<AtomicUsize>::default();
    let queue = Queue {
        sender,
        bytes: Arc::clone(&bytes),
        metrics,
        complaint: Complaint::default(),
    };
    (queue, Inbox { receiver, bytes })
}

impl Queue {
    /// Takes an event if there is room for it. Otherwise it is lost.
    pub(super) fn offer(&self, event: Event) {
        let size = event.size();
        if self.reserve(size) {
            if self.sender.try_send(Message::Event(event)).is_ok() {
                return;
            }
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        self.metrics.lost("queue", 1);
        if self.complaint.is_due(Instant::now()) {
            warn!(
                "audit events are lost because the audit log is not written fast enough; see \
                 gateway_audit_events_lost_total"
            );
        }
    }

    fn reserve(&self, size: usize) -> bool {
        let more = |bytes: usize| bytes.checked_add(size).filter(|it| *it <= MOST_BYTES);
        let order = Ordering::Relaxed;
        self.bytes.fetch_update(order, order, more).is_ok()
    }

    /// Waits until what is in the queue now is written.
    pub(super) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.sender.send(Message::Flush(done)).await.is_ok() {
            // If the writer is gone, nothing more can be written.
            let _ = written.await;
        }
    }
}

impl Inbox {
    /// The next message. `None` if there is none and never will be.
    pub(super) fn wait(&mut self) -> Option<Message> {
        let message = self.receiver.blocking_recv()?;
        self.release(&message);
        Some(message)
    }

    /// The next message, if there is one now.
    pub(super) fn next(&mut self) -> Option<Message> {
        let message = self.receiver.try_recv().ok()?;
        self.release(&message);
        Some(message)
    }

    fn release(&self, message: &Message) {
        if let Message::Event(event) = message {
            self.bytes.fetch_sub(event.size(), Ordering::Relaxed);
        }
    }
}
