//! A watch of clusters: a body that looks for changes once a second. It ends when the
//! gateway drains, when its time is over, or when its reader has fallen too far behind. It holds
//! only its position and the events that are not sent yet.

mod event;

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use self::event::Event;
use crate::{
    api::{
        options::{Start, WatchOptions},
        rendering::Rendering,
        selector::Selection,
    },
    clusters::{Clusters, Shown, Unknown, refusal::not_read_yet},
    status::Refusal,
};

/// How often to look for changes. They are not announced.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often to send a bookmark, as in API servers.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
/// The size of what is sent at once, which the last line may exceed.
const PIECE: usize = 64 << 10;

/// A body that is made of lines as they come.
pub(crate) trait Lines: fmt::Debug + Send {
    /// The next lines; `None` at the end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

/// The body of a watch.
#[derive(Debug)]
pub(crate) struct Watch<K> {
    clusters: Arc<Clusters>,
    selection: Selection,
    printer: Printer,
    /// Changes up to this position are sent or wait in `events`.
    position: u64,
    /// The same as a revision of the hub.
    revision: u64,
    events: VecDeque<Event<K>>,
    ticks: Interval,
    ends: Instant,
    /// When the next bookmark is due, if the caller wants them.
    bookmark: Option<Instant>,
    drain: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
}

/// How a watch writes objects. It takes the time of each rendering, because tables show ages.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) rendering: Rendering,
    pub(crate) clock: fn() -> Timestamp,
}

impl Printer {
    fn rendering_now(&self) -> Rendering {
        Rendering {
            now: (self.clock)(),
            ..self.rendering
        }
    }
}

impl<K: Shown> Watch<K> {
    /// Begins where the caller asks. Until all clusters have been read once, a watch is refused.
    pub(crate) async fn begin(
        clusters: Arc<Clusters>,
        options: WatchOptions,
        selection: Selection,
        printer: Printer,
        drain: CancellationToken,
    ) -> Result<Self, Refusal> {
        let (mut events, mut is_over) = (VecDeque::new(), false);
        let listed = K::listed(&clusters).await.ok_or_else(not_read_yet)?;
        let now = Instant::now();
        let (mut position, mut revision) = (listed.position, listed.revision);
        match options.start {
            Start::Now => {}
            Start::After(asked) => match K::resume(&clusters, asked, now) {
                Ok(missed) => {
                    let told = |change| Event::of(change, &selection);
                    events.extend(missed.all.into_iter().filter_map(told));
                    (position, revision) = (missed.position, missed.revision);
                }
                // Like API servers, this reports the error as an event of the watch.
                Err(unknown @ Unknown::TooOld { .. }) => {
                    let status = unknown.refusal().into_status();
                    events.push_back(Event::Error(Box::new(status)));
                    is_over = true;
                }
                Err(unknown @ Unknown::TooNew { .. }) => return Err(unknown.refusal()),
            },
            Start::State { is_told } => {
                let objects = listed.objects.into_iter();
                let chosen = objects.filter(|object| selection.chooses(&**object));
                events.extend(chosen.map(Event::Added));
                events.extend(is_told.then_some(Event::Bookmark {
                    revision: listed.revision,
                    ends_initial: true,
                }));
            }
        }
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            clusters,
            selection,
            printer,
            position,
            revision,
            events,
            ticks,
            ends: now + options.lasts,
            bookmark: options.bookmarks.then(|| now + BOOKMARK_EVERY),
            drain: Box::pin(drain.cancelled_owned()),
            is_over,
        })
    }

    fn look(&mut self, now: Instant) {
        match K::changes(&self.clusters, self.position, now) {
            Ok(missed) => {
                (self.position, self.revision) = (missed.position, missed.revision);
                let told = |change| Event::of(change, &self.selection);
                self.events.extend(missed.all.into_iter().filter_map(told));
            }
            Err(unknown) => {
                let told = Event::Error(Box::new(unknown.refusal().into_status()));
                self.events.push_back(told);
                self.is_over = true;
                return;
            }
        }
        if self.bookmark.is_some_and(|due| due <= now) {
            self.bookmark = Some(now + BOOKMARK_EVERY);
            self.events.push_back(Event::Bookmark {
                revision: self.revision,
                ends_initial: false,
            });
        }
        self.is_over |= self.ends <= now;
    }

    fn piece(&mut self) -> Option<Bytes> {
        if self.events.is_empty() {
            return None;
        }
        let rendering = self.printer.rendering_now();
        let mut lines = Vec::new();
        while lines.len() < PIECE
            && let Some(event) = self.events.pop_front()
        {
            event.render(rendering, &mut lines);
        }
        Some(lines.into())
    }
}

impl<K: Shown> Lines for Watch<K> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(piece) = self.piece() {
                return Poll::Ready(Some(piece));
            }
            if self.is_over || self.drain.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            if self.ticks.poll_tick(context).is_pending() {
                return Poll::Pending;
            }
            self.look(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
