//! Hostile agents against the gateway's end.

use std::{future::pending, time::Duration};

use h2::Reason;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    task::{JoinHandle, spawn},
    time::{Instant, sleep, timeout},
};
use tunnel::{AttachError, Budget, End, Hello, Session, Stream};

use super::frames::{
    END_HEADERS, END_STREAM, continuation, data, frame, headers, hello, literal, ping,
    push_promise, settings, settings_ack, status, window_update,
};

/// A gateway whose agent the test plays from here on. What the gateway sends is not read.
pub(crate) struct Hostile {
    pub(crate) session: Session,
    pub(crate) budget: Budget,
    pub(crate) gateway: JoinHandle<End>,
    pub(crate) says: WriteHalf<DuplexStream>,
    pub(crate) hears: ReadHalf<DuplexStream>,
}

impl Hostile {
    pub(crate) async fn attached() -> Self {
        let (near, far) = duplex(64 << 10);
        let (hears, mut says) = split(far);
        let mut answer = status("200");
        answer.extend(hello());
        let hello = [
            settings(),
            settings_ack(),
            headers(END_STREAM | END_HEADERS, 1, &answer),
        ];
        let budget = Budget::new(1 << 30);
        let greeting = async {
            // The hello must be sent before its answer.
            sleep(Duration::from_millis(1)).await;
            says.write_all(&hello.concat()).await.unwrap();
        };
        let ours = Hello::default();
        let attaching = Session::attach(near, &ours, budget.clone());
        let attached = tokio::join!(attaching, greeting).0;
        let (session, driver) = attached.unwrap();
        Self {
            session,
            budget,
            gateway: spawn(driver.run(pending())),
            says,
            hears,
        }
    }

    /// Reads what the gateway sends, and ignores it.
    pub(crate) fn listen(self) -> (Session, JoinHandle<End>, WriteHalf<DuplexStream>) {
        let mut hears = self.hears;
        spawn(async move { tokio::io::copy(&mut hears, &mut tokio::io::sink()).await });
        (self.session, self.gateway, self.says)
    }
}

/// Opens a pipe that the agent accepts. The first pipe of a session has the stream ID 3.
pub(crate) async fn open(session: &Session, says: &mut WriteHalf<DuplexStream>, id: u32) -> Stream {
    let target = "any:1".parse().unwrap();
    let opening = session.open(&target);
    let yes = async {
        // The gateway's CONNECT must be sent before the answer.
        sleep(Duration::from_millis(1)).await;
        says.write_all(&headers(END_HEADERS, id, &status("200")))
            .await
            .unwrap();
    };
    let opened = tokio::join!(opening, yes).0;
    opened.unwrap_or_else(|error| panic!("stream {id}: {error}"))
}

/// Violations by an agent on an open pipe with the stream ID 3, and the expected error codes.
fn breaches() -> Vec<(&'static str, Vec<u8>, Reason)> {
    let yes = status("200");
    let more = literal("more", &"x".repeat(10_000));
    let endless = [headers(0, 3, &yes), continuation(0, 3, &more).repeat(100)];
    let late = [data(END_STREAM, 3, b""), data(0, 3, b"x")];
    let large = vec![0; (64 << 10) + 1];
    let (protocol, size) = (Reason::PROTOCOL_ERROR, Reason::FRAME_SIZE_ERROR);
    let (calm, flow) = (Reason::ENHANCE_YOUR_CALM, Reason::FLOW_CONTROL_ERROR);
    vec![
        ("an oversized frame", data(0, 3, &large), size),
        ("endless headers", endless.concat(), calm),
        ("a pushed stream", push_promise(3, 2), protocol),
        ("its own stream", headers(END_HEADERS, 2, &yes), protocol),
        ("data on an idle stream", data(0, 99, b"x"), protocol),
        ("data after the end", late.concat(), protocol),
        ("a window too large", window_update(0, 0x7fff_ffff), flow),
        ("a window of nothing", window_update(0, 0), protocol),
        ("one more settings ack", settings_ack(), protocol),
        ("a short ping", frame(6, 0, 0, b"ping"), protocol),
        ("empty frames", data(0, 3, b"").repeat(200), calm),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_breaks_the_protocol_is_cut_and_the_error_names_it() {
    for (what, bytes, reason) in breaches() {
        let (session, gateway, mut says) = Hostile::attached().await.listen();
        let mut pipe = open(&session, &mut says, 3).await;
        // The gateway may close before everything is sent.
        let _ = says.write_all(&bytes).await;
        let end = gateway.await.unwrap();
        let End::Broken(error) = &end else {
            panic!("{what}: {end:?}");
        };
        assert_eq!(error.reason(), Some(reason), "{what}: {error}");
        assert!(session.is_closing(), "{what}");
        let mut rest = Vec::new();
        let _ = pipe.read_to_end(&mut rest).await;
    }
}

#[tokio::test(start_paused = true)]
async fn small_frames_that_nobody_reads_are_bounded() {
    let (session, gateway, mut says) = Hostile::attached().await.listen();
    let _pipe = open(&session, &mut says, 3).await;
    let _ = says.write_all(&data(0, 3, b"x").repeat(400_000)).await;
    let end = gateway.await.unwrap();
    let End::Broken(error) = &end else {
        panic!("{end:?}")
    };
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test(start_paused = true)]
async fn data_beyond_the_window_resets_just_that_pipe() {
    let (session, _gateway, mut says) = Hostile::attached().await.listen();
    let mut abused = open(&session, &mut says, 3).await;
    let mut other = open(&session, &mut says, 5).await;
    let frames = data(0, 3, &[0; 16 << 10]).repeat(33);
    says.write_all(&frames).await.unwrap();
    says.write_all(&data(END_STREAM, 5, b"fine")).await.unwrap();
    let mut rest = Vec::new();
    other.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"fine");
    let error = abused.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("flow-control"), "{error}");
    assert!(!session.is_closing());
}

#[tokio::test(start_paused = true)]
async fn floods_that_want_answers_stop_where_the_answers_are_not_read() {
    for flood in [ping(), settings()] {
        let mut hostile = Hostile::attached().await;
        let many = flood.repeat(1000);
        let mut sent = 0;
        // The gateway answers no more than the connection itself buffers.
        while timeout(Duration::from_secs(1), hostile.says.write_all(&many))
            .await
            .is_ok()
        {
            sent += 1;
            assert!(sent < 1000, "a flood has to stop");
        }
        let begin = Instant::now();
        assert!(matches!(hostile.gateway.await.unwrap(), End::Dead));
        assert!(begin.elapsed() <= Duration::from_secs(45));
        assert_eq!(hostile.budget.used(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_hello_of_an_agent_is_refused() {
    let dribble = |far: DuplexStream| async move {
        let (_hears, mut says) = split(far);
        for byte in settings().repeat(1000) {
            sleep(Duration::from_millis(100)).await;
            let _ = says.write_all(&[byte]).await;
        }
    };
    let (near, far) = duplex(4096);
    spawn(dribble(far));
    let attached = Session::attach(near, &Hello::default(), Budget::new(0)).await;
    assert!(
        matches!(attached, Err(AttachError::Deadline)),
        "a hello that never ends"
    );

    let answer = |block: Vec<u8>| {
        let answer = headers(END_STREAM | END_HEADERS, 1, &block);
        [settings(), settings_ack(), answer].concat()
    };
    let huge = [status("200"), hello(), literal("x", &"x".repeat(80_000))].concat();
    let table = [
        ("raw bytes", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("junk", vec![0xff; 4096]),
        ("no versions", answer(status("200"))),
        ("another status", answer([status("404"), hello()].concat())),
        ("no status", answer(hello())),
        ("an upgrade", answer([status("101"), hello()].concat())),
        ("huge headers", answer(huge)),
        ("nothing", Vec::new()),
    ];
    for (what, bytes) in table {
        let (near, far) = duplex(64 << 10);
        let (mut hears, mut says) = split(far);
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            let _ = says.write_all(&bytes).await;
            let _ = says.shutdown().await;
            tokio::io::copy(&mut hears, &mut tokio::io::sink()).await
        });
        let begin = Instant::now();
        let attached = Session::attach(near, &Hello::default(), Budget::new(0)).await;
        let error = attached.map(drop).expect_err(what);
        assert!(begin.elapsed() < Duration::from_secs(1), "{what}: {error}");
    }
}
