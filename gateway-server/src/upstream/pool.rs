//! The connections of one upstream. A request uses the least loaded one. Another one is opened
//! before streams run out, and all requests that wait share it. A request that finds a place opens
//! nothing.

mod slots;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use jiff::Timestamp;
use kubernetes::clock::now;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use self::slots::Slots;
use super::{
    connect::{ConnectError, Connected, Connector},
    request_body::RequestBody,
};

/// The largest number of HTTP/2 connections to one upstream. With kube-apiserver's 100 streams on
/// each, this is 3,200 requests and watches at once.
const MAX_HTTP2: usize = 32;
/// The largest number of HTTP/1.1 connections to one upstream. Each carries one request.
const MAX_HTTP1: usize = 256;
/// How often to check whether a retiring connection is still used.
const RETIRE_EVERY: Duration = Duration::from_millis(200);
/// How long a retiring connection is kept for new requests while there is no other one. An agent
/// whose connections all end at once is back within a second.
const SUCCESSOR_WITHIN: Duration = Duration::from_secs(3);
/// How often a request may find its new connection gone before it gives up. A connection that other
/// waiting requests have filled does not count, because another one is opened, up to [`MAX_HTTP2`].
const ATTEMPTS: usize = 4;

/// The pool of one upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    connector: Arc<Connector>,
    state: Arc<Mutex<State>>,
}

/// A place on a connection for a request that is not sent yet.
#[derive(Debug)]
pub(crate) struct Pooled {
    sender: Sender,
    lease: Lease,
}

/// A place on a connection for as long as its request lasts.
#[derive(Debug)]
pub(crate) struct Lease(Hold);

/// How the last attempt to connect went.
#[derive(Clone, Debug, Default)]
pub(crate) enum Health {
    /// There was no attempt yet.
    #[default]
    Unknown,
    Good,
    Failing {
        error: Arc<ConnectError>,
        /// The first failure since the last success.
        since: Timestamp,
    },
}

/// What a pool knows about its upstream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sighting {
    pub(crate) health: Health,
    /// When the last attempt to connect ended.
    pub(crate) attempted: Option<Timestamp>,
    /// A connection is open now.
    pub(crate) is_open: bool,
}

/// Why there is no place on a connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum PoolError {
    /// A new connection was needed and failed.
    #[error("{error} (failing since {since:.0})")]
    Connect {
        error: Arc<ConnectError>,
        /// The first failure since the last success.
        since: Timestamp,
    },
    /// All connections that are allowed are full.
    #[error("all {connections} connections to the managed cluster are full")]
    Exhausted { connections: usize },
    /// New connections close as soon as they are open.
    #[error("{ATTEMPTS} new connections in a row closed before they could be used")]
    Unstable,
}

/// A request that got no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// It was never sent, because the connection had closed before. It can be sent again.
    Unsent(Box<Request<RequestBody>>),
    /// It may have been sent.
    Broken(hyper::Error),
}

#[derive(Debug, Default)]
struct State {
    http2: Vec<Arc<Slots>>,
    opening: Option<Opening>,
    health: Health,
    attempted: Option<Timestamp>,
    /// The upstream does not speak HTTP/2.
    http1_only: bool,
    http1_open: usize,
    http1_idle: Vec<http1::SendRequest<RequestBody>>,
}

/// Resolves when the connection that is being opened is in the pool or has failed.
type Opening = watch::Receiver<Option<Result<Opened, PoolError>>>;

/// The new connection, unless it speaks HTTP/1.1.
type Opened = Option<Arc<Slots>>;

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(Arc<Slots>),
}

#[derive(Debug)]
enum Hold {
    Http1 {
        home: Weak<Mutex<State>>,
        sender: Option<http1::SendRequest<RequestBody>>,
    },
    Http2(Arc<Slots>),
}

enum Next {
    Use(Pooled),
    Wait(Opening),
    OpenHttp1,
}

impl Pool {
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            state: Arc::default(),
        }
    }

    /// A place for one request.
    pub(crate) async fn lease(&self) -> Result<Pooled, PoolError> {
        let mut gone = 0;
        while gone < ATTEMPTS {
            match self.next()? {
                Next::Use(pooled) => return Ok(pooled),
                Next::OpenHttp1 => return self.open_http1().await,
                Next::Wait(mut opening) => {
                    let outcome = opening
                        .wait_for(Option::is_some)
                        .await
                        // The sender is dropped unsent only when the process shuts down.
                        .map_err(|_| PoolError::Unstable)?
                        .clone();
                    let opened = outcome.expect("waited for it")?;
                    gone += usize::from(opened.is_none_or(|it| it.is_gone()));
                }
            }
        }
        Err(PoolError::Unstable)
    }

    /// What is known about the upstream.
    pub(crate) fn sighting(&self) -> Sighting {
        let state = self.state.lock();
        let is_open = state.http2.iter().any(|slots| !slots.is_gone())
            || state.http1_idle.iter().any(|sender| !sender.is_closed());
        Sighting {
            health: state.health.clone(),
            attempted: state.attempted,
            is_open,
        }
    }

    fn next(&self) -> Result<Next, PoolError> {
        let mut state = self.state.lock();
        if state.http1_only {
            return self.next_http1(&mut state);
        }
        state.http2.retain(|slots| !slots.is_gone());
        let least = state
            .http2
            .iter()
            .min_by_key(|slots| (slots.is_retiring(), slots.used()))
            .map(Arc::clone);
        match least {
            Some(slots) if slots.is_retiring() => Ok(self.next_beside(&mut state, slots)),
            Some(slots) if slots.used() < slots.allowed() => {
                let nearly_full = slots.used() * 4 >= slots.allowed() * 3;
                if nearly_full && state.opening.is_none() && state.http2.len() < MAX_HTTP2 {
                    self.open(&mut state);
                }
                Ok(Next::Use(Pooled::http2(slots)))
            }
            _ => match &state.opening {
                Some(opening) => Ok(Next::Wait(opening.clone())),
                None if state.http2.len() < MAX_HTTP2 => Ok(Next::Wait(self.open(&mut state))),
                None => Err(PoolError::Exhausted {
                    connections: MAX_HTTP2,
                }),
            },
        }
    }

    /// All connections are retiring. Another one is opened. Until it is there, or if it fails, the
    /// request uses a retiring one.
    fn next_beside(&self, state: &mut State, retiring: Arc<Slots>) -> Next {
        let opening = match &state.opening {
            Some(opening) => opening.clone(),
            None => self.open(state),
        };
        if retiring.used() < retiring.allowed() {
            Next::Use(Pooled::http2(retiring))
        } else {
            Next::Wait(opening)
        }
    }

    fn next_http1(&self, state: &mut State) -> Result<Next, PoolError> {
        while let Some(sender) = state.http1_idle.pop() {
            if !sender.is_closed() {
                return Ok(Next::Use(Pooled::http1(sender, &self.state)));
            }
            state.http1_open -= 1;
        }
        if state.http1_open >= MAX_HTTP1 {
            return Err(PoolError::Exhausted {
                connections: MAX_HTTP1,
            });
        }
        state.http1_open += 1;
        Ok(Next::OpenHttp1)
    }

    /// Opens one connection for all requests that wait. The attempt goes on even if they all give
    /// up; otherwise an impatient client could keep a cluster from ever being connected.
    fn open(&self, state: &mut State) -> Opening {
        let (done, opening) = watch::channel(None);
        state.opening = Some(opening.clone());
        let (connector, shared) = (Arc::clone(&self.connector), Arc::clone(&self.state));
        let tasks = connector.tasks.clone();
        self.connector.tasks.spawn(async move {
            let connected = connector.pooled().await;
            let mut state = shared.lock();
            state.opening = None;
            let outcome = match connected {
                Ok(connected) => Ok(state.admit(connected)),
                Err(error) => Err(state.failed(error)),
            };
            drop(state);
            if let Ok(Some(slots)) = &outcome
                && let Some(retired) = slots.connection.retired()
            {
                let (home, slots) = (Arc::downgrade(&shared), Arc::downgrade(slots));
                tasks.spawn(async move {
                    if retired.await {
                        retire(home, slots).await;
                    }
                });
            }
            done.send_replace(Some(outcome));
        });
        opening
    }

    async fn open_http1(&self) -> Result<Pooled, PoolError> {
        // Gives the place back if the caller gives up before the connection is open.
        let place = Lease(Hold::Http1 {
            home: Arc::downgrade(&self.state),
            sender: None,
        });
        let connected = self.connector.http1(self.connector.share()).await;
        let sender = connected.map_err(|error| self.state.lock().failed(error))?;
        Ok(Pooled {
            sender: Sender::Http1(sender),
            lease: place,
        })
    }
}

/// Drops a connection as soon as nothing uses it, because its tunnel is about to end and must not
/// wait for an unused connection.
async fn retire(home: Weak<Mutex<State>>, slots: Weak<Slots>) {
    let end = Instant::now() + SUCCESSOR_WITHIN;
    loop {
        let Some((home, slots)) = home.upgrade().zip(slots.upgrade()) else {
            return;
        };
        let is_late = Instant::now() >= end;
        if home.lock().let_go(&slots, is_late) {
            return;
        }
        drop((home, slots));
        sleep(RETIRE_EVERY).await;
    }
}

impl State {
    /// Removes a retiring connection if nothing uses it, and another one is there or none came in
    /// time. Returns true if it is removed.
    fn let_go(&mut self, retiring: &Arc<Slots>, is_late: bool) -> bool {
        let has_successor = self.http2.iter().any(|known| !known.is_retiring());
        let is_unused = retiring.used() == 0 && (has_successor || is_late);
        let goes = is_unused || retiring.is_gone();
        if goes {
            self.http2.retain(|known| !Arc::ptr_eq(known, retiring));
        }
        goes
    }

    fn failed(&mut self, error: ConnectError) -> PoolError {
        let now = now();
        self.attempted = Some(now);
        let since = match self.health {
            Health::Failing { since, .. } => since,
            Health::Unknown | Health::Good => now,
        };
        let error = Arc::new(error);
        self.health = Health::Failing {
            error: Arc::clone(&error),
            since,
        };
        PoolError::Connect { error, since }
    }

    fn admit(&mut self, connected: Connected) -> Opened {
        self.health = Health::Good;
        self.attempted = Some(now());
        match connected {
            Connected::Http2(connection) => {
                let slots = Arc::new(Slots {
                    connection,
                    used: AtomicUsize::new(0),
                });
                // Requests on retiring connections hold them until they are done.
                self.http2.retain(|slots| !slots.is_retiring());
                self.http2.push(Arc::clone(&slots));
                Some(slots)
            }
            Connected::Http1(sender) => {
                self.http1_only = true;
                self.http1_open += 1;
                self.http1_idle.push(sender);
                None
            }
        }
    }
}

impl Pooled {
    fn http1(sender: http1::SendRequest<RequestBody>, home: &Arc<Mutex<State>>) -> Self {
        let lease = Lease(Hold::Http1 {
            home: Arc::downgrade(home),
            sender: None,
        });
        Self {
            sender: Sender::Http1(sender),
            lease,
        }
    }

    fn http2(slots: Arc<Slots>) -> Self {
        slots.used.fetch_add(1, Ordering::Relaxed);
        Self {
            sender: Sender::Http2(Arc::clone(&slots)),
            lease: Lease(Hold::Http2(slots)),
        }
    }

    /// Whether requests need a Host header instead of an absolute URI.
    pub(crate) fn is_http1(&self) -> bool {
        matches!(self.sender, Sender::Http1(_))
    }

    /// Sends the request and waits for the head of its answer. Dropping the future cancels just
    /// this request.
    pub(crate) async fn send(
        self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let Self { sender, mut lease } = self;
        match sender {
            Sender::Http2(slots) => {
                let mut sender = slots.connection.sender.clone();
                let response = sender
                    .try_send_request(request)
                    .await
                    .map_err(SendError::of)?;
                Ok((response, lease))
            }
            Sender::Http1(mut sender) => {
                if sender.ready().await.is_err() {
                    return Err(SendError::Unsent(Box::new(request)));
                }
                let response = sender
                    .try_send_request(request)
                    .await
                    .map_err(SendError::of)?;
                lease.keep(sender);
                Ok((response, lease))
            }
        }
    }
}

impl Lease {
    /// The answer was read to its end, so the connection can be used again.
    pub(crate) fn finish(mut self) {
        if let Hold::Http1 { home, sender } = &mut self.0
            && let (Some(home), Some(sender)) = (home.upgrade(), sender.take())
            && !sender.is_closed()
        {
            let mut state = home.lock();
            state.http1_idle.push(sender);
            // Dropping this lease is about to subtract one.
            state.http1_open += 1;
        }
    }

    fn keep(&mut self, used: http1::SendRequest<RequestBody>) {
        if let Hold::Http1 { sender, .. } = &mut self.0 {
            *sender = Some(used);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match &self.0 {
            Hold::Http1 { home, .. } => {
                if let Some(home) = home.upgrade() {
                    home.lock().http1_open -= 1;
                }
            }
            Hold::Http2(slots) => {
                slots.used.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl SendError {
    fn of(mut error: TrySendError<Request<RequestBody>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Broken(error.into_error()),
        }
    }
}

#[cfg(test)]
mod tests;
