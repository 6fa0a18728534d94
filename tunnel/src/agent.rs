//! The agent's end of one tunnel connection: it serves HTTP/2, answers the hello, and turns each
//! CONNECT into a connection to a target, if the target is allowed.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::Arc,
};

use bytes::Bytes;
use h2::{
    RecvStream,
    server::{Connection, SendResponse},
};
use http::{Method, Request, Response, StatusCode, uri::Authority};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::debug;

use crate::{
    Agreement, Budget, Hello, HelloError, Liveness, Refusal, Replica, Share, Target,
    budget::Charge,
    control::{Heard, Listener},
    limits::{
        CONNECTION_WINDOW, FRAME_SIZE, GOODBYE, HELLO_DEADLINE, MAX_HEADERS, MAX_STREAMS,
        SEND_BUFFER, STREAM_COST, STREAM_WINDOW,
    },
    lingering::Lingering,
    overflow::Turn,
    pulse::Pulse,
    pump::pump,
};

/// Connects to targets for a gateway, and decides which targets are allowed.
pub trait Dial: Send + Sync + 'static {
    /// A connection to a target.
    type Io: AsyncRead + AsyncWrite + Send + 'static;

    /// When a gateway that does not answer counts as dead.
    const LIVENESS: Liveness = Liveness::AGENT;

    /// Connects, with its own deadline. Dropping the future cancels the dial. `share` is what the
    /// pipe may use of budgets.
    fn dial(
        &self,
        target: &Target,
        share: Share,
    ) -> impl Future<Output = Result<Self::Io, Refusal>> + Send;
}

/// The state of a tunnel connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// The gateway has not sent its hello yet.
    Greeting,
    /// Pipes can be opened.
    Attached {
        /// What both ends support.
        agreement: Agreement,
        /// The replica of the gateway at the other end, if it says so. Its number of replicas is
        /// the one that it told last.
        replica: Option<Replica>,
    },
    /// One end wants to leave. No new pipes are accepted, but open ones may finish.
    Draining,
    /// The connection has ended without a drain.
    Ended,
}

/// Why a tunnel connection ended, other than by agreement.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The gateway did not finish the handshake in time.
    #[error("no hello within {} s", HELLO_DEADLINE.as_secs())]
    Deadline,
    /// The connection broke, or the peer did not send HTTP/2.
    #[error("HTTP/2: {0}")]
    Http(#[from] h2::Error),
    /// The ends have no version in common, or the hello is malformed.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The gateway opened another stream before its hello.
    #[error("the gateway began without a hello")]
    NoHello,
    /// The gateway closed the connection before its hello.
    #[error("the gateway closed the connection")]
    Closed,
    /// The gateway did not answer a ping.
    #[error("the gateway answered no ping")]
    Dead,
}

/// Serves one connection to its end. Pipes are charged to `budget`. Once `drain` resolves, no new
/// pipes are accepted, but open ones may finish.
pub async fn serve<IO, D>(
    io: IO,
    hello: &Hello,
    dial: Arc<D>,
    budget: &Budget,
    phase: watch::Sender<Phase>,
    drain: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    D: Dial,
{
    let turn = Turn::default();
    let greeted = timeout(HELLO_DEADLINE, greet(io, hello, turn.clone())).await;
    let (mut connection, attached, control) = greeted.map_err(|_| ServeError::Deadline)??;
    phase.send_replace(attached);
    let pings = connection.ping_pong().expect("taken once");
    let pulse = Pulse::new(Instant::now());
    let mut death = pin!(D::LIVENESS.peer_death(pings, &pulse));
    let mut drain = pin!(drain);
    let mut control = Some(control);
    let mut draining = false;
    let mut pipes = JoinSet::new();
    let ended = loop {
        select! {
            accepted = accept(&mut connection, &turn) => match accepted {
                Some(Ok((request, respond))) => {
                    let share = Share::read(request.headers());
                    let place = Place {
                        share,
                        charge: budget.sharing(share).charge(STREAM_COST),
                    };
                    pipes.spawn(answer(Arc::clone(&dial), place, request, respond));
                }
                Some(Err(error)) => break Err(error.into()),
                None => break Ok(()),
            },
            Some(_) = pipes.join_next() => {}
            () = &mut death => break Err(ServeError::Dead),
            () = &mut drain, if !draining => {
                draining = true;
                phase.send_replace(Phase::Draining);
                connection.graceful_shutdown();
                // Dropping it resets the hello's stream, which tells the gateway to leave and lets
                // the connection end.
                control = None;
            }
            heard = hear(control.as_mut()) => match heard {
                Heard::Replicas(number) => {
                    phase.send_if_modified(|phase| phase.count_replicas(number));
                }
                Heard::Drain => {
                    control = None;
                    phase.send_replace(Phase::Draining);
                }
            },
        }
    };
    phase.send_if_modified(|phase| {
        let broke = *phase != Phase::Draining;
        if broke {
            *phase = Phase::Ended;
        }
        broke
    });
    drop(connection);
    // Ends all pipes, except those that the gateway has finished, because their target may still
    // have to read.
    while pipes.join_next().await.is_some() {}
    ended
}

impl Phase {
    /// Takes in how many replicas there are, and returns whether that is new.
    fn count_replicas(&mut self, number: u16) -> bool {
        match self {
            Self::Attached {
                replica: Some(replica),
                ..
            } => std::mem::replace(&mut replica.of, number) != number,
            _ => false,
        }
    }
}

/// Performs the HTTP/2 preface and the hello.
async fn greet<IO: AsyncRead + AsyncWrite + Unpin>(
    io: IO,
    hello: &Hello,
    turn: Turn,
) -> Result<(Connection<Lingering<IO>, Bytes>, Phase, Listener), ServeError> {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buffer_size(SEND_BUFFER)
        // One stream in addition to the pipes, for the hello.
        .max_concurrent_streams(MAX_STREAMS + 1)
        .handshake(Lingering::new(io, turn))
        .await?;
    let (request, mut respond) = connection.accept().await.ok_or(ServeError::Closed)??;
    if request.method() != Method::GET || request.uri().path() != "/hello" {
        return Err(ServeError::NoHello);
    }
    let mut response = Response::new(());
    hello.write(response.headers_mut());
    let attached = Hello::read(request.headers()).and_then(|theirs| {
        Ok(Phase::Attached {
            agreement: hello.agree(&theirs)?,
            replica: theirs.replica,
        })
    });
    if attached.is_err() {
        *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    }
    if let Err(error) = respond.send_response(response, true) {
        // The error that broke the connection is more useful than the error of its stream.
        while let Some(next) = connection.accept().await {
            next?;
        }
        return Err(error.into());
    }
    match attached {
        Ok(attached) => Ok((connection, attached, Listener::new(request.into_body()))),
        Err(error) => {
            // The answer must be sent before the connection closes.
            drop(request);
            connection.graceful_shutdown();
            let goodbye = async { while let Some(Ok(_)) = connection.accept().await {} };
            // The gateway may be slow to close. The reason is known already.
            let _ = timeout(GOODBYE, goodbye).await;
            Err(error.into())
        }
    }
}

/// The next pipe that the gateway wants.
async fn accept<IO: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<IO, Bytes>,
    turn: &Turn,
) -> Option<Result<Accepted, h2::Error>> {
    poll_fn(|context| {
        turn.begin();
        connection.poll_accept(context)
    })
    .await
}

/// Waits for what the gateway says next; forever once one of the ends drains.
async fn hear(control: Option<&mut Listener>) -> Heard {
    match control {
        Some(control) => control.hear().await,
        None => pending().await,
    }
}

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// What a pipe is charged.
struct Place {
    share: Share,
    /// `None` if there is no room.
    charge: Option<Charge>,
}

async fn answer<D: Dial>(
    dial: Arc<D>,
    place: Place,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (head, receive) = request.into_parts();
    if head.method != Method::CONNECT {
        refuse(&mut respond, Refusal::Malformed);
        return;
    }
    let authority: Option<Authority> = head.uri.into_parts().authority;
    let Some(Ok(target)) = authority.map(Target::try_from) else {
        refuse(&mut respond, Refusal::Malformed);
        return;
    };
    let Some(_charge) = place.charge else {
        refuse(&mut respond, Refusal::Busy);
        return;
    };
    let dialled = select! {
        dialled = dial.dial(&target, place.share) => dialled,
        _ = poll_fn(|context| respond.poll_reset(context)) => return,
    };
    match dialled {
        Ok(io) => {
            // An error here means that the gateway has cancelled the request.
            let Ok(send) = respond.send_response(Response::new(()), false) else {
                return;
            };
            if let Err(error) = pump(io, send, receive).await {
                debug!(%target, %error, "pipe ended");
            }
        }
        Err(refusal) => {
            debug!(%target, %refusal, "pipe refused");
            refuse(&mut respond, refusal);
        }
    }
}

fn refuse(respond: &mut SendResponse<Bytes>, refusal: Refusal) {
    // An error here means that the gateway has cancelled the request.
    let _ = respond.send_response(refusal.response(), true);
}
