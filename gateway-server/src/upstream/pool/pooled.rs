//! A request on a pooled connection: sent once, and then in its place until its answer has ended.

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::TrySendError};

use super::{
    http1::{self, Single},
    slots::Slot,
};
use crate::upstream::request_body::RequestBody;

/// A place on a connection for a request that is not sent yet.
#[derive(Debug)]
pub(crate) struct Pooled(Sender);

/// Which connection a request may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    Any,
    /// Of those that carry one request at a time, only one that was used a moment ago, or one that
    /// is opened for it: the request must not meet the end of a connection that was idle for long.
    Recent,
    /// One that is opened for it, if a connection carries one request at a time.
    New,
}

/// A place on a connection for as long as its request lasts.
#[derive(Debug)]
pub(crate) struct Lease(Hold);

/// A request that got no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// It was never sent, because the connection had closed before. It can be sent again.
    Unsent(Box<Request<RequestBody>>),
    /// The other end has not looked at it, and says so. It can be sent again.
    Untaken(hyper::Error),
    /// It may have been sent.
    Broken(hyper::Error),
    /// It may have been sent, on a connection that had been kept and that the other end closed. Most
    /// likely the other end was closing it already, because it had been idle for long enough (RFC
    /// 9112 §9.6).
    Stale(hyper::Error),
}

#[derive(Debug)]
enum Sender {
    Http1 {
        sender: http1::Sender,
        place: Single,
        was_kept: bool,
    },
    Http2(Slot),
}

#[derive(Debug)]
enum Hold {
    Http1(Single),
    Http2 { _slot: Slot },
}

impl Pooled {
    /// On a new connection.
    pub(super) fn http1(sender: http1::Sender, place: Single) -> Self {
        Self(Sender::Http1 {
            sender,
            place,
            was_kept: false,
        })
    }

    /// On a connection that was kept, because nothing used it.
    pub(super) fn http1_kept(sender: http1::Sender, place: Single) -> Self {
        Self(Sender::Http1 {
            sender,
            place,
            was_kept: true,
        })
    }

    pub(super) fn http2(slot: Slot) -> Self {
        Self(Sender::Http2(slot))
    }

    /// Whether requests need a Host header instead of an absolute URI.
    pub(crate) fn is_http1(&self) -> bool {
        matches!(self.0, Sender::Http1 { .. })
    }

    /// Sends the request and waits for the head of its answer. Dropping the future cancels just
    /// this request.
    pub(crate) async fn send(
        self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        match self.0 {
            Sender::Http2(slot) => {
                let mut sender = slot.connection().sender.clone();
                let sent = sender.try_send_request(request).await;
                let response = sent.map_err(SendError::of)?;
                Ok((response, Lease(Hold::Http2 { _slot: slot })))
            }
            Sender::Http1 {
                mut sender,
                mut place,
                was_kept,
            } => {
                if sender.ready().await.is_err() {
                    return Err(SendError::Unsent(Box::new(request)));
                }
                let sent = sender.try_send_request(request).await;
                let response = sent.map_err(|error| match SendError::of(error) {
                    SendError::Broken(error) if was_kept && is_close(&error) => {
                        SendError::Stale(error)
                    }
                    error => error,
                })?;
                place.keep(sender);
                Ok((response, Lease(Hold::Http1(place))))
            }
        }
    }
}

impl Lease {
    /// The answer was read to its end, so the connection can be used again.
    pub(crate) fn finish(self) {
        if let Hold::Http1(place) = self.0 {
            place.finish();
        }
    }
}

impl SendError {
    /// What an error means for the request.
    pub(crate) fn of(mut error: TrySendError<Request<RequestBody>>) -> Self {
        if let Some(request) = error.take_message() {
            return Self::Unsent(Box::new(request));
        }
        let error = error.into_error();
        if is_untaken(&error) {
            Self::Untaken(error)
        } else {
            Self::Broken(error)
        }
    }
}

/// Whether the other end promises that it has not processed the request (RFC 9113 §8.7): its GOAWAY
/// names an earlier stream as the last one, or it has refused this stream.
fn is_untaken(error: &hyper::Error) -> bool {
    let http2 = std::error::Error::source(error).and_then(|it| it.downcast_ref::<h2::Error>());
    http2.is_some_and(|it| {
        let is_refused = it.is_reset() && it.reason() == Some(h2::Reason::REFUSED_STREAM);
        it.is_remote() && (it.is_go_away() || is_refused)
    })
}

/// Whether the other end closed the connection, in good order or not, before it answered.
fn is_close(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    error.is_incomplete_message()
        || source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

#[cfg(test)]
mod tests;
