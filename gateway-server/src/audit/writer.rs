//! The writer: a thread of its own, because a disk that hangs must not hang a thread that serves
//! requests. The process does not wait for it when it ends, except for a farewell.

use std::{io, io::Write as _, thread, time::Duration};

use tokio::{sync::oneshot, time::Instant};
use tracing::warn;

use super::{
    complaint::Complaint,
    queue::{Inbox, Message, Queue, queue},
};
use crate::metrics::AuditMetrics;

/// How many bytes are written at once, as far as events are waiting.
const BATCH: usize = 64 << 10;

/// How long events gather. To wake the thread for each of them would cost requests more than all else
/// that is done for the audit log.
const LINGER: Duration = Duration::from_millis(50);

/// Where lines go.
pub(super) trait Sink: Send {
    /// Takes whole lines.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;
}

impl Sink for io::Stdout {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut stdout = self.lock();
        stdout.write_all(lines)?;
        stdout.flush()
    }
}

/// Starts a writer, and returns the way to it.
pub(super) fn start(sink: Box<dyn Sink>, metrics: AuditMetrics) -> io::Result<Queue> {
    let (queue, inbox) = queue(metrics.clone());
    let thread = thread::Builder::new().name("audit".to_owned());
    thread.spawn(move || write(inbox, sink, &metrics))?;
    Ok(queue)
}

fn write(mut inbox: Inbox, mut sink: Box<dyn Sink>, metrics: &AuditMetrics) {
    let (mut batch, complaint) = (Batch::default(), Complaint::default());
    while let Some(message) = next(&mut inbox) {
        batch.take(message);
        while batch.lines.len() < BATCH && batch.flushed.is_none() {
            let Some(message) = inbox.next() else { break };
            batch.take(message);
        }
        match sink.append(&batch.lines) {
            Ok(()) => {
                metrics.written.inc_by(batch.events);
            }
            Err(error) => {
                metrics.lost("write", batch.events);
                if complaint.is_due(Instant::now()) {
                    warn!(%error, "audit events are lost because the audit log cannot be written");
                }
            }
        }
        batch.is_over();
    }
}

fn next(inbox: &mut Inbox) -> Option<Message> {
    if let Some(message) = inbox.next() {
        return Some(message);
    }
    let message = inbox.wait()?;
    if matches!(message, Message::Event(_)) {
        thread::sleep(LINGER);
    }
    Some(message)
}

/// What is written at once.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    events: u64,
    flushed: Option<oneshot::Sender<()>>,
}

impl Batch {
    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event) => {
                event.write(&mut self.lines);
                self.events += 1;
            }
            Message::Flush(done) => self.flushed = Some(done),
        }
    }

    fn is_over(&mut self) {
        self.lines.clear();
        self.events = 0;
        if let Some(flushed) = self.flushed.take() {
            // Whoever waited may have left.
            let _ = flushed.send(());
        }
    }
}
