//! The gateway's end of one tunnel connection: the hello, pipes, liveness and drain.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt as _;
use h2::{
    PingPong, SendStream,
    client::{Connection, SendRequest},
};
use http::{Method, Request, StatusCode, Uri, uri::Parts};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Agreement, Budget, Hello, HelloError, Liveness, Refusal, ReplicaId, Share, Stream, Target,
    budget::Charge,
    control::Speaker,
    limits::{
        CONNECTION_WINDOW, FRAME_SIZE, HELLO_DEADLINE, MAX_HEADERS, MAX_STREAMS, OPEN_DEADLINE,
        SEND_BUFFER, STREAM_WINDOW,
    },
    lingering::Lingering,
    overflow::Turn,
    pulse::Pulse,
};

/// An agent that has not answered a CONNECT by then is late: it is pinged, and other sessions are
/// asked as well.
pub(crate) const LATE: Duration = Duration::from_millis(1500);

/// One connection of an agent. Clones share it.
#[derive(Clone, Debug)]
pub struct Session(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` if no new pipes are possible, because the session drains or has ended. HTTP/2 ends
    /// the connection once this and all pipes are dropped.
    send: Mutex<Option<SendRequest<Bytes>>>,
    /// Set when `send` is dropped, so that a check takes no lock.
    closing: AtomicBool,
    closed: CancellationToken,
    budget: Budget,
    agreement: Agreement,
    replica: Option<ReplicaId>,
    streams: AtomicUsize,
    pulse: Pulse,
    /// If it is set aside, the number of that event; otherwise 0.
    aside: AtomicU64,
}

/// Moves the bytes of a [`Session`]. Nothing happens unless [`Driver::run`] is polled.
#[derive(Debug)]
pub struct Driver<IO: AsyncRead + AsyncWrite + Unpin> {
    /// Boxed because it takes kilobytes, and every future that it moves through would reserve space
    /// for it.
    connection: Box<Connection<Lingering<IO>, Bytes>>,
    turn: Turn,
    pings: PingPong,
    /// Its end tells the agent to connect elsewhere.
    control: Speaker,
    session: Session,
    liveness: Liveness,
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// One of the ends closed it in good order.
    Closed,
    /// The agent did not answer a ping.
    Dead,
    /// The connection broke, or the agent violated the protocol.
    Broken(h2::Error),
}

/// Why an agent's connection did not become a session.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The agent did not finish the handshake in time.
    #[error("no hello within {} s", HELLO_DEADLINE.as_secs())]
    Deadline,
    /// The connection broke, or the peer did not send HTTP/2.
    #[error("HTTP/2: {0}")]
    Http(#[from] h2::Error),
    /// The ends have no version in common, or the hello is malformed.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The agent refused the hello.
    #[error("the agent answered the hello with {0}")]
    Refused(StatusCode),
    /// The agent closed the connection.
    #[error("the agent closed the connection")]
    Closed,
}

/// Why a pipe was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The session drains or has ended. Another session may work.
    #[error("the tunnel is closing")]
    Closing,
    /// The limit is reached: of the charged bytes, or of the pipes that the agent accepts.
    #[error("the pipes open through this tunnel are as many as it allows")]
    Budget,
    /// The agent did not answer in time.
    #[error("the agent did not answer within {} s", OPEN_DEADLINE.as_secs())]
    Deadline,
    /// The agent refused the pipe.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The session broke in the meantime.
    #[error("the tunnel broke: {0}")]
    Broken(io::Error),
}

impl OpenError {
    /// Whether it says something about this session only, so that another one may work.
    pub fn is_of_session(&self) -> bool {
        match self {
            Self::Closing | Self::Budget | Self::Deadline | Self::Broken(_) => true,
            Self::Refused(refusal) => *refusal == Refusal::Busy,
        }
    }
}

/// One of the open pipes of a session.
#[derive(Debug)]
pub(crate) struct Occupied {
    session: Arc<Shared>,
    _charge: Charge,
}

impl Session {
    /// Creates a session on a connection that an agent serves. Pipes are charged to `budget`.
    pub async fn attach<IO: AsyncRead + AsyncWrite + Unpin>(
        io: IO,
        hello: &Hello,
        budget: Budget,
    ) -> Result<(Self, Driver<IO>), AttachError> {
        let attached = timeout(HELLO_DEADLINE, Self::shake_hands(io, hello, budget)).await;
        attached.unwrap_or(Err(AttachError::Deadline))
    }

    async fn shake_hands<IO: AsyncRead + AsyncWrite + Unpin>(
        io: IO,
        hello: &Hello,
        budget: Budget,
    ) -> Result<(Self, Driver<IO>), AttachError> {
        let turn = Turn::default();
        let (send, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .max_header_list_size(MAX_HEADERS)
            .max_send_buffer_size(SEND_BUFFER)
            .max_concurrent_streams(0)
            .enable_push(false)
            .initial_max_send_streams(1)
            .handshake(Lingering::new(io, turn.clone()))
            .await?;
        let mut connection = Box::new(connection);
        let pings = connection.ping_pong().expect("taken once");
        let Greeted {
            agreement,
            replica,
            body,
        } = select! {
            agreed = say_hello(send.clone(), hello) => agreed?,
            ended = &mut connection => {
                return Err(ended.err().map_or(AttachError::Closed, AttachError::Http));
            }
        };
        let session = Self(Arc::new(Shared {
            send: Mutex::new(Some(send)),
            closing: AtomicBool::new(false),
            closed: CancellationToken::new(),
            budget,
            agreement,
            replica,
            streams: AtomicUsize::new(0),
            pulse: Pulse::new(Instant::now()),
            aside: AtomicU64::new(0),
        }));
        let driver = Driver {
            connection,
            turn,
            pings,
            control: Speaker::new(body, hello),
            session: session.clone(),
            liveness: Liveness::AGENT,
        };
        Ok((session, driver))
    }

    /// Opens a pipe to `target`. Dropping the future cancels only this pipe.
    pub async fn open(&self, target: &Target) -> Result<Stream, OpenError> {
        self.open_for(target, &self.0.budget).await
    }

    /// Opens a pipe that is charged to `budget` instead of the session's own.
    pub async fn open_for(&self, target: &Target, budget: &Budget) -> Result<Stream, OpenError> {
        if self.is_closing() {
            return Err(OpenError::Closing);
        }
        let charge = budget.charge_pipe().ok_or(OpenError::Budget)?;
        self.open_charged(target, charge).await
    }

    /// Opens a pipe that is charged already.
    pub(crate) async fn open_charged(
        &self,
        target: &Target,
        charge: Charge,
    ) -> Result<Stream, OpenError> {
        let send = self.0.send.lock().clone().ok_or(OpenError::Closing)?;
        let share = charge.share();
        let occupied = self.occupy(&send, charge).ok_or(OpenError::Budget)?;
        let opening = Self::connect(send, target, share, occupied);
        let mut opening = pin!(opening);
        if let Ok(opened) = timeout(LATE, &mut opening).await {
            return opened;
        }
        self.0.pulse.hurry();
        let opened = timeout(OPEN_DEADLINE.saturating_sub(LATE), opening).await;
        opened.unwrap_or(Err(OpenError::Deadline))
    }

    async fn connect(
        send: SendRequest<Bytes>,
        target: &Target,
        share: Share,
        occupied: Occupied,
    ) -> Result<Stream, OpenError> {
        let mut send = send.ready().await.map_err(|_| OpenError::Closing)?;
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        share.write(request.headers_mut());
        let mut uri = Parts::default();
        uri.authority = Some(target.authority().clone());
        *request.uri_mut() = Uri::from_parts(uri).expect("an authority alone is a URI");
        let (response, send) = send
            .send_request(request, false)
            .map_err(|_| OpenError::Closing)?;
        let (head, receive) = response.await.map_err(broken)?.into_parts();
        if head.status == StatusCode::OK {
            Ok(Stream::new(send, receive, occupied))
        } else {
            Err(Refusal::read(head.status, &head.headers).into())
        }
    }

    fn occupy(&self, send: &SendRequest<Bytes>, charge: Charge) -> Option<Occupied> {
        let (streams, most) = (&self.0.streams, most_pipes(send));
        let one_more = |open| (open < most).then_some(open + 1);
        streams
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        Some(Occupied {
            session: Arc::clone(&self.0),
            _charge: charge,
        })
    }

    /// How many pipes are open now.
    pub fn streams(&self) -> usize {
        self.0.streams.load(Ordering::Relaxed)
    }

    /// True if there is room for another pipe.
    pub fn has_room(&self) -> bool {
        let send = self.0.send.lock();
        send.as_ref()
            .is_some_and(|send| self.streams() < most_pipes(send))
    }

    /// The round-trip time of the last ping.
    pub fn round_trip(&self) -> Option<Duration> {
        self.0.pulse.round_trip()
    }

    /// True while the agent owes an answer to a ping. Another session may be better.
    pub fn is_silent(&self) -> bool {
        let pulse = &self.0.pulse;
        pulse.is_waiting() && pulse.is_silent(Instant::now())
    }

    pub(crate) fn set_aside(&self, number: u64) {
        self.0.aside.store(number, Ordering::Relaxed);
    }

    /// 0 if it is not set aside, or else a number that is the larger the later it was.
    pub(crate) fn aside(&self) -> u64 {
        self.0.aside.load(Ordering::Relaxed)
    }

    /// True if it is used only if there is no other session.
    pub fn is_aside(&self) -> bool {
        self.aside() != 0
    }

    /// What both ends support.
    pub fn agreement(&self) -> &Agreement {
        &self.0.agreement
    }

    /// Which replica the peer is, if it is one and says so.
    pub fn replica(&self) -> Option<&ReplicaId> {
        self.0.replica.as_ref()
    }

    /// True once the session opens no more pipes.
    pub fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// Waits until the session opens no more pipes.
    pub async fn closing(&self) {
        self.0.closed.cancelled().await;
    }

    /// The budget that its pipes are charged to.
    pub(crate) fn budget(&self) -> Budget {
        self.0.budget.clone()
    }

    /// True for clones of the same session.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        self.0.send.lock().take();
        self.0.closed.cancel();
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    /// Replaces the [`Liveness`] of agents with another one.
    pub fn noticing(self, liveness: Liveness) -> Self {
        Self { liveness, ..self }
    }

    /// Tells the agent the number of replicas whenever it differs from the last one that was told,
    /// if the agent understands that.
    pub fn telling(mut self, replicas: watch::Receiver<u16>) -> Self {
        self.control.follow(replicas, self.session.agreement());
        self
    }

    /// Drives the session to its end. Once `drain` resolves, the session opens no more pipes, tells
    /// the agent to connect elsewhere, and ends with the last pipe.
    pub async fn run(self, drain: impl Future<Output = ()>) -> End {
        let Self {
            mut connection,
            turn,
            pings,
            mut control,
            session,
            liveness,
        } = self;
        let _closing = CloseOnDrop(session.clone());
        let mut connection = poll_fn(|context| {
            turn.begin();
            connection.poll_unpin(context)
        });
        let mut death = pin!(liveness.peer_death(pings, &session.0.pulse));
        select! {
            ended = &mut connection => return End::of(ended),
            () = &mut death => return End::Dead,
            () = drain => {}
            () = control.speak() => {}
        }
        session.close();
        control.end();
        select! {
            ended = &mut connection => End::of(ended),
            () = &mut death => End::Dead,
        }
    }
}

impl End {
    fn of(ended: Result<(), h2::Error>) -> Self {
        ended.err().map_or(Self::Closed, Self::Broken)
    }
}

impl Occupied {
    /// The session that the pipe belongs to.
    pub(crate) fn session(&self) -> Session {
        Session(Arc::clone(&self.session))
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.session.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

struct CloseOnDrop(Session);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The result of the hello.
struct Greeted {
    agreement: Agreement,
    replica: Option<ReplicaId>,
    body: SendStream<Bytes>,
}

async fn say_hello(send: SendRequest<Bytes>, hello: &Hello) -> Result<Greeted, AttachError> {
    let mut request = Request::get("http://agent/hello")
        .body(())
        .expect("a constant");
    hello.write(request.headers_mut());
    let (response, body) = send.ready().await?.send_request(request, false)?;
    let response = response.await?;
    if response.status() != StatusCode::OK {
        // A refused hello still contains what the agent supports.
        hello.agree(&Hello::read(response.headers())?)?;
        return Err(AttachError::Refused(response.status()));
    }
    let theirs = Hello::read(response.headers())?;
    Ok(Greeted {
        agreement: hello.agree(&theirs)?,
        replica: theirs.replica.map(|replica| replica.id),
        body,
    })
}

/// How many pipes the agent accepts at once: its limit of streams without the hello.
fn most_pipes(send: &SendRequest<Bytes>) -> usize {
    let agent = send.current_max_send_streams().saturating_sub(1);
    agent.min(MAX_STREAMS as usize)
}

fn broken(error: h2::Error) -> OpenError {
    OpenError::Broken(crate::stream::to_io(error))
}
