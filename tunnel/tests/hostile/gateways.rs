//! Hostile gateways, or attackers in their place, against the agent's end.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use h2::Reason;
use tokio::{
    io::{AsyncWriteExt as _, DuplexStream, duplex, split},
    sync::watch,
    task::spawn,
};
use tunnel::{Budget, Dial, Hello, Phase, Refusal, ServeError, Share, Target, serve};

use super::frames::{
    END_HEADERS, END_STREAM, PREFACE, connect, continuation, data, headers, hello, literal,
    request, reset, settings, settings_ack,
};

type Verdict = fn(&ServeError) -> bool;

/// Dials that never end, and a count of those in progress.
#[derive(Default)]
struct Dials {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Dial for Dials {
    type Io = DuplexStream;

    async fn dial(&self, _: &Target, _: Share) -> Result<DuplexStream, Refusal> {
        struct Under<'a>(&'a AtomicUsize);
        impl Drop for Under<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        let _under = Under(&self.now);
        self.most.fetch_max(now, Ordering::SeqCst);
        pending().await
    }
}

/// How the agent reacts to `bytes`, and how many dials were in progress at once.
async fn served(bytes: Vec<u8>) -> (Result<(), ServeError>, usize) {
    let (near, far) = duplex(1 << 20);
    let (mut hears, mut says) = split(near);
    spawn(async move {
        let _ = says.write_all(&bytes).await;
        tokio::io::copy(&mut hears, &mut tokio::io::sink()).await
    });
    let (dials, phase) = (Arc::<Dials>::default(), watch::channel(Phase::Greeting).0);
    let budget = Budget::new(1 << 30);
    let served = serve(
        far,
        &Hello::default(),
        Arc::clone(&dials),
        &budget,
        phase,
        pending(),
    )
    .await;
    assert_eq!((budget.used(), dials.now.load(Ordering::SeqCst)), (0, 0));
    (served, dials.most.load(Ordering::SeqCst))
}

fn greeted(more: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let block = [request("GET", "/hello"), hello()].concat();
    let mut bytes = [PREFACE.to_vec(), settings(), settings_ack()].concat();
    bytes.extend(headers(END_HEADERS, 1, &block));
    bytes.extend(more.into_iter().flatten());
    bytes
}

#[tokio::test(start_paused = true)]
async fn what_is_no_gateway_is_refused() {
    let early = [
        PREFACE.to_vec(),
        settings(),
        headers(END_HEADERS, 1, &connect("a:1")),
    ]
    .concat();
    let table: [(&str, Vec<u8>, Verdict); 5] = [
        (
            "raw bytes",
            b"GET / HTTP/1.1\r\nHost: agent\r\n\r\n".to_vec(),
            is_http,
        ),
        ("silence", Vec::new(), |error| {
            matches!(error, ServeError::Deadline)
        }),
        ("only a preface", PREFACE.to_vec(), |error| {
            matches!(error, ServeError::Deadline)
        }),
        ("a pipe before the hello", early, |error| {
            matches!(error, ServeError::NoHello)
        }),
        ("junk", [PREFACE, &[0xff; 4096]].concat(), is_http),
    ];
    for (what, bytes, wanted) in table {
        let error = served(bytes).await.0.expect_err(what);
        assert!(wanted(&error), "{what}: {error:?}");
    }
}

fn is_http(error: &ServeError) -> bool {
    matches!(error, ServeError::Http(_))
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_breaks_the_protocol_is_cut_and_the_error_names_it() {
    let rapid = (3..2003).step_by(2);
    let rapid = rapid.map(|id| [headers(END_HEADERS, id, &connect("a:1")), reset(id)].concat());
    let endless = (0..100).map(|_| continuation(0, 3, &literal("more", &"x".repeat(10_000))));
    let endless = std::iter::once(headers(0, 3, &connect("a:1"))).chain(endless);
    let table = [
        ("rapid resets", greeted(rapid), Reason::ENHANCE_YOUR_CALM),
        (
            "endless headers",
            greeted(endless),
            Reason::ENHANCE_YOUR_CALM,
        ),
        (
            "an oversized frame",
            greeted([data(0, 1, &vec![0; 70_000])]),
            Reason::FRAME_SIZE_ERROR,
        ),
        (
            "an even stream",
            greeted([headers(END_HEADERS, 4, &connect("a:1"))]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "empty frames",
            greeted([data(0, 1, b"").repeat(200)]),
            Reason::ENHANCE_YOUR_CALM,
        ),
    ];
    for (what, bytes, reason) in table {
        let error = served(bytes).await.0.expect_err(what);
        let ServeError::Http(http) = &error else {
            panic!("{what}: {error:?}");
        };
        assert_eq!(http.reason(), Some(reason), "{what}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn dials_under_way_are_as_many_as_pipes_and_no_more() {
    let many = (3..1003).step_by(2);
    let many = many.map(|id| headers(END_HEADERS | END_STREAM, id, &connect("a:1")));
    // The peer answers no ping, so in the end it counts as dead.
    let (served, most) = served(greeted(many)).await;
    assert!(matches!(served, Err(ServeError::Dead)), "{served:?}");
    assert_eq!(most, 256);
}
