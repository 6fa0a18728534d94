//! What a caller sends, read while it is sent on. Its beginning is kept until the managed cluster
//! answers, so that a small body can be sent again, and a large one of which not much was read. What
//! is kept are references to what was received, not copies.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::RequestBody;

/// How many bytes of a body are kept.
const MOST_KEPT: usize = 128 << 10;
/// What a part costs besides its bytes, so that many small ones are bounded too.
const PART: usize = 64;

/// The body of a caller's request, to be sent once or more often.
#[derive(Debug)]
pub(crate) struct Upload<B = Incoming>(Option<Arc<Mutex<Source<B>>>>);

/// Reads the body for one attempt. It fails once there is another attempt.
#[derive(Debug)]
pub(crate) struct Reader<B = Incoming> {
    source: Arc<Mutex<Source<B>>>,
    attempt: usize,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Since when the caller has not sent what there is room for.
    pub(crate) waits_since: Option<Instant>,
    /// When its last part came.
    pub(crate) last_part: Option<Instant>,
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error(transparent)]
    Caller(#[from] hyper::Error),
    #[error("the request is sent again elsewhere")]
    Elsewhere,
}

#[derive(Debug)]
struct Source<B> {
    body: B,
    /// The beginning of the body, and how many parts of it this attempt has read.
    kept: Vec<Bytes>,
    read: usize,
    /// What is kept costs so many bytes; `None` if not all that was read is kept.
    size: Option<usize>,
    attempt: usize,
    progress: Progress,
}

impl Upload {
    pub(crate) fn new(body: Incoming) -> Self {
        Self::of(body)
    }

    /// The body for the first attempt.
    pub(crate) fn first(&self) -> RequestBody {
        self.reader()
            .map_or(RequestBody::Empty, RequestBody::Caller)
    }

    /// The body for another attempt; `None` if too much was read of it.
    pub(crate) fn again(&self) -> Option<RequestBody> {
        let Some(source) = &self.0 else {
            return Some(RequestBody::Empty);
        };
        let can = source.lock().rewind();
        can.then(|| self.first())
    }
}

impl<B: Body> Upload<B> {
    fn of(body: B) -> Self {
        if body.is_end_stream() {
            return Self(None);
        }
        let source = Source {
            body,
            kept: Vec::new(),
            read: 0,
            size: Some(0),
            attempt: 0,
            progress: Progress::default(),
        };
        Self(Some(Arc::new(Mutex::new(source))))
    }

    fn reader(&self) -> Option<Reader<B>> {
        let source = Arc::clone(self.0.as_ref()?);
        let attempt = source.lock().attempt;
        Some(Reader { source, attempt })
    }

    /// How far it has come; `None` if there is no body.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.0.as_ref().map(|source| source.lock().progress)
    }

    /// There will be no other attempt.
    pub(crate) fn settle(&self) {
        if let Some(source) = &self.0 {
            source.lock().keep_no_more();
        }
    }
}

impl<B> Source<B> {
    /// Begins another attempt.
    fn rewind(&mut self) -> bool {
        let can = self.size.is_some();
        if can {
            self.attempt += 1;
            self.read = 0;
            self.progress.waits_since = None;
        }
        can
    }

    /// Drops what this attempt does not have to read any more.
    fn keep_no_more(&mut self) {
        self.size = None;
        self.kept.drain(..self.read);
        self.read = 0;
    }

    /// Takes in what the caller has sent, or that it has sent nothing.
    fn came<T>(&mut self, polled: &Poll<T>) {
        let progress = &mut self.progress;
        if polled.is_pending() {
            progress.waits_since.get_or_insert_with(Instant::now);
        } else {
            (progress.waits_since, progress.last_part) = (None, Some(Instant::now()));
        }
    }

    fn keep(&mut self, part: &Bytes) {
        self.size = self.size.map(|size| size + part.len() + PART);
        if self.size.is_some_and(|size| size <= MOST_KEPT) {
            self.kept.push(part.clone());
            self.read += 1;
        } else {
            self.keep_no_more();
        }
    }

    /// The next part of what is kept.
    fn next_kept(&mut self) -> Option<Bytes> {
        let part = self.kept.get(self.read)?.clone();
        self.read += 1;
        if self.size.is_none() {
            self.keep_no_more();
        }
        Some(part)
    }
}

impl<B> Body for Reader<B>
where
    B: Body<Data = Bytes> + Unpin,
    UploadError: From<B::Error>,
{
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let mut source = self.source.lock();
        if source.attempt != self.attempt {
            return Poll::Ready(Some(Err(UploadError::Elsewhere)));
        }
        if let Some(part) = source.next_kept() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let polled = Pin::new(&mut source.body).poll_frame(context);
        source.came(&polled);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                Some(part) => source.keep(part),
                // Trailers are not kept.
                None => source.keep_no_more(),
            },
            Poll::Ready(Some(Err(_))) => source.keep_no_more(),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled.map_err(UploadError::from)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.lock();
        source.read == source.kept.len() && source.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.source.lock();
        let unread = source.kept[source.read..].iter();
        let unread = unread.map(|part| part.len() as u64).sum::<u64>();
        let rest = source.body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + unread);
        }
        hint.set_lower(rest.lower() + unread);
        hint
    }
}

#[cfg(test)]
mod tests;
