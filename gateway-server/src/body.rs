//! The one response body of this server: bytes of our own, or a managed cluster's answer streamed
//! through.

use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    acting::Tether, audit::Pending, metrics::Counter, seats::Seat, upstream::Lease, watch::Lines,
};

/// A managed cluster that sends nothing for so long, in the middle of an answer that is not meant to last,
/// sends nothing more. It is noticed within twice this time.
const SILENCE: Duration = Duration::from_mins(2);

/// The body of a response of the gateway.
#[derive(Debug, Default)]
pub(crate) enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// An answer of the gateway itself.
    Full(Bytes),
    /// A managed cluster's answer.
    Upstream(UpstreamBody),
    /// Changes of managed clusters.
    Watch(Box<dyn Lines>),
}

/// Why an answer ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Upstream(#[from] hyper::Error),
    #[error("the caller's access to the managed cluster has ended")]
    Revoked,
    #[error("the managed cluster sent no more of its answer for {} s", SILENCE.as_secs())]
    Silent,
}

/// A streamed answer. Dropping it unread resets its stream, and gives the connection back.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    /// The frame that came with the head.
    first: Option<Frame<Bytes>>,
    body: Incoming,
    lease: Option<Lease>,
    bytes: Counter,
    /// The caller's place among the requests in flight.
    seat: Option<Arc<Seat>>,
    /// The record of the request, which is complete when this ends.
    pending: Option<Arc<Pending>>,
    /// Ends a long-lived answer when the caller's access ends.
    tether: Option<Arc<Tether>>,
    /// Present if the answer is a watch.
    watch: Option<WatchEnd>,
    /// Present if the answer is not meant to last.
    flow: Option<Flow>,
}

/// Whether an answer goes on. The timer is not set before there is something to wait for, and not set
/// again for each part.
#[derive(Debug, Default)]
struct Flow {
    timer: Option<Pin<Box<Sleep>>>,
    /// Something came since the timer was set.
    moved: bool,
}

/// A watch may end at any time, because informers then resume it, and their rights are checked
/// again. Any other body must not end normally before it is complete.
#[derive(Debug)]
struct WatchEnd {
    /// Resolves shortly before the process ends.
    last_call: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl UpstreamBody {
    /// `lease` is the place on a pooled connection, if the answer came over one.
    pub(crate) fn new(body: Incoming, lease: Option<Lease>, bytes: Counter) -> Self {
        let mut this = Self {
            first: None,
            body,
            lease,
            bytes,
            seat: None,
            pending: None,
            tether: None,
            watch: None,
            flow: None,
        };
        this.release_at_end();
        this
    }

    /// The request counts as in flight until the body ends.
    pub(crate) fn occupies(&mut self, seat: Arc<Seat>) {
        self.seat = Some(seat);
    }

    /// The request is recorded as complete when the body ends.
    pub(crate) fn is_recorded(&mut self, pending: Arc<Pending>) {
        if !self.body.is_end_stream() {
            self.pending = Some(pending);
        }
    }

    /// Makes the body end when the tether is cut.
    pub(crate) fn hangs_on(&mut self, tether: Arc<Tether>) {
        self.tether = Some(tether);
    }

    /// From now on, a broken connection or a cut is a normal end of this body instead of an error,
    /// and it ends by itself at the last call.
    pub(crate) fn is_a_watch(&mut self, last_call: &CancellationToken) {
        let last_call = Box::pin(last_call.clone().cancelled_owned());
        self.watch = Some(WatchEnd { last_call });
    }

    /// From now on, the body breaks off if nothing comes for long.
    pub(crate) fn must_flow(&mut self) {
        self.flow = Some(Flow::default());
    }

    /// Reads, without waiting, what came with the head. If the stream has broken by then, the
    /// caller can still get an error: once the head is sent, HTTP/2 can only reset the stream.
    pub(crate) fn begun(mut self) -> hyper::Result<Self> {
        let mut context = Context::from_waker(Waker::noop());
        match self.poll(&mut context) {
            Poll::Ready(Some(frame)) => self.first = Some(frame?),
            Poll::Ready(None) | Poll::Pending => {}
        }
        Ok(self)
    }

    /// Whether nothing comes any more.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let first = self
            .first
            .as_ref()
            .and_then(Frame::data_ref)
            .map_or(0, |data| data.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + first);
        }
        hint.set_lower(hint.lower() + first);
        hint
    }

    fn release_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        drop(self.seat.take());
        drop(self.pending.take());
        if let Some(lease) = self.lease.take() {
            lease.finish();
        }
    }

    /// Ready when the tether is cut. Only a stream that is waiting for data asks to be woken.
    fn poll_cut(&self, idle: bool, context: &mut Context<'_>) -> Poll<()> {
        match &self.tether {
            Some(tether) if idle => tether.poll_cut(context),
            Some(tether) if tether.is_cut() => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Ready when nothing has come for long. Asked only while there is something to wait for.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.flow {
            Some(flow) => flow.poll_silence(context),
            None => Poll::Pending,
        }
    }

    /// Ready when a watch must make room for the end of the process.
    fn poll_last_call(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.watch {
            Some(watch) => watch.last_call.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.bytes.inc_by(length);
                if let Some(flow) = &mut self.flow {
                    flow.moved = true;
                }
                self.release_at_end();
            }
            Poll::Ready(Some(Err(_))) if self.watch.is_some() => return Poll::Ready(None),
            Poll::Ready(None) => self.release(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Flow {
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() {
            self.moved = false;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
        while timer.as_mut().poll(context).is_ready() {
            if !std::mem::take(&mut self.moved) {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + SILENCE);
        }
        Poll::Pending
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full(bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Watch(watch) => watch
                .poll(context)
                .map(|lines| Some(Ok(Frame::data(lines?)))),
            Self::Upstream(upstream) => {
                if upstream.poll_cut(false, context).is_pending() {
                    let polled = upstream.poll(context);
                    if polled.is_ready() {
                        return polled.map_err(BodyError::Upstream);
                    }
                    if upstream.poll_silence(context).is_ready() {
                        *this = Self::Empty;
                        return Poll::Ready(Some(Err(BodyError::Silent)));
                    }
                    if upstream.poll_cut(true, context).is_pending()
                        && upstream.poll_last_call(context).is_pending()
                    {
                        return Poll::Pending;
                    }
                }
                let end = upstream.watch.is_none().then_some(Err(BodyError::Revoked));
                // Dropping the body at once ends the request at the managed cluster as well.
                *this = Self::Empty;
                Poll::Ready(end)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Upstream(upstream) => upstream.is_end_stream(),
            Self::Watch(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upstream(upstream) => upstream.size_hint(),
            Self::Watch(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
