use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{DuplexStream, ReadBuf, duplex, empty, repeat, sink},
    net::{TcpListener, TcpStream},
    time::{Instant, advance},
};

use super::*;

/// More than one buffer, and not a whole number of them.
const MUCH: usize = 5 * BUFFER + 7;

/// Two connected sockets.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ours, theirs) = join!(TcpStream::connect(address), listener.accept());
    (ours.unwrap(), theirs.unwrap().0)
}

/// A reader whose connection is reset.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

/// A writer whose peer is gone.
fn taking_nothing() -> DuplexStream {
    duplex(1).0
}

fn both(reader: impl AsyncRead, writer: impl AsyncWrite) -> impl AsyncRead + AsyncWrite {
    tokio::io::join(reader, writer)
}

#[tokio::test]
async fn last_bytes_reach_a_caller_that_was_still_talking() {
    let (mut caller, ours) = sockets().await;
    // The spoke is done and takes no more; most of this is not read by anybody until the close.
    caller.write_all(&vec![0; 3 * BUFFER]).await.unwrap();
    let last = vec![1; MUCH];
    let spoke = both(last.as_slice(), taking_nothing());
    let bytes = Counter::default();
    let read = async {
        let mut answer = Vec::new();
        let read = caller.read_to_end(&mut answer).await;
        drop(caller);
        (read.map_err(|error| error.kind()), answer)
    };
    let (spliced, (read, answer)) = join!(splice(ours, spoke, bytes.clone()), read);
    assert_eq!(read, Ok(MUCH));
    assert!(answer == last);
    assert_eq!(bytes.get(), MUCH as u64);
    assert_eq!(spliced.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn last_bytes_reach_a_spoke_that_was_still_talking() {
    let (mut spoke, ours) = sockets().await;
    spoke.write_all(&vec![0; 3 * BUFFER]).await.unwrap();
    let last = vec![1; MUCH];
    let caller = both(last.as_slice(), taking_nothing());
    let read = async {
        let mut request = Vec::new();
        let read = spoke.read_to_end(&mut request).await;
        drop(spoke);
        read.map_err(|error| error.kind())
    };
    let (_, read) = join!(splice(caller, ours, Counter::default()), read);
    assert_eq!(read, Ok(MUCH));
}

#[tokio::test]
async fn one_end_may_finish_long_before_the_other() {
    let (mut caller, ours) = duplex(64);
    let (theirs, mut spoke) = duplex(64);
    let bytes = Counter::default();
    let ask = async {
        caller.write_all(b"question").await.unwrap();
        caller.shutdown().await.unwrap();
        let mut answer = Vec::new();
        caller.read_to_end(&mut answer).await.unwrap();
        assert!(answer == vec![2; MUCH]);
    };
    let reply = async {
        let mut question = String::new();
        spoke.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        spoke.write_all(&vec![2; MUCH]).await.unwrap();
        drop(spoke);
    };
    let (spliced, ..) = join!(splice(ours, theirs, bytes.clone()), ask, reply);
    spliced.unwrap();
    assert_eq!(bytes.get(), MUCH as u64);
}

#[tokio::test]
async fn what_a_broken_spoke_said_before_is_delivered() {
    let (mut caller, ours) = duplex(64);
    let said = vec![3; MUCH];
    let spoke = both(said.as_slice().chain(Broken), sink());
    let read = async {
        let mut answer = Vec::new();
        caller.read_to_end(&mut answer).await.unwrap();
        drop(caller);
        answer
    };
    let (spliced, answer) = join!(splice(ours, spoke, Counter::default()), read);
    assert!(answer == said);
    assert_eq!(spliced.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_broken_caller_is_dropped_at_once_and_is_no_end_to_the_spoke() {
    let said = vec![4; MUCH];
    let caller = both(said.as_slice().chain(Broken), sink());
    let mut taken = Taken::default();
    let (nothing, _stays) = duplex(64);
    let began = Instant::now();
    let spliced = splice(caller, both(nothing, &mut taken), Counter::default()).await;
    assert_eq!(spliced.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(taken.bytes == said && !taken.ended);
}

/// What a spoke was sent, and whether it was told that this is all.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    ended: bool,
}

impl AsyncWrite for Taken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bytes.extend_from_slice(buffer);
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended = true;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_never_stops_talking_does_not_put_off_the_end() {
    let caller = both(repeat(5), sink());
    let spoke = both(empty(), taking_nothing());
    let bytes = Counter::default();
    let (spliced, ()) = join!(splice(caller, spoke, bytes.clone()), advance(LINGER));
    assert_eq!(spliced.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn bytes_are_counted_while_they_go() {
    let (mut caller, ours) = duplex(64);
    let (theirs, mut spoke) = duplex(64);
    let bytes = Counter::default();
    let talk = async {
        for round in 1..=3 {
            spoke.write_all(b"tick").await.unwrap();
            caller.read_exact(&mut [0; 4]).await.unwrap();
            // The reply is through, so that the tick before it is counted.
            caller.write_all(b"tock").await.unwrap();
            spoke.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(bytes.get(), 4 * round);
        }
    };
    select! {
        spliced = splice(ours, theirs, bytes.clone()) => panic!("{spliced:?}"),
        () = talk => {}
    }
}
