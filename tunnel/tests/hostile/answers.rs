//! Agents that answer a CONNECT incorrectly. Only that pipe fails.

use std::time::Duration;

use h2::Reason;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::sleep,
};
use tunnel::{End, OpenError, Refusal};

use super::{
    agents::{Hostile, open},
    frames::{END_HEADERS, END_STREAM, data, headers, literal, reset, status},
};

type Verdict = fn(&OpenError) -> bool;

#[tokio::test(start_paused = true)]
async fn a_junk_answer_fails_its_pipe_alone() {
    let whole = END_HEADERS | END_STREAM;
    let huge = [status("200"), literal("x", &"x".repeat(17 << 10))].concat();
    let table: [(&str, Vec<u8>, Verdict); 7] = [
        (
            "a teapot",
            headers(whole, 3, &status("418")),
            is_unreachable,
        ),
        (
            "a redirect",
            headers(END_HEADERS, 3, &status("302")),
            is_unreachable,
        ),
        (
            "status 999",
            headers(whole, 3, &status("999")),
            is_unreachable,
        ),
        (
            "no status",
            headers(whole, 3, &literal("x", "y")),
            is_broken,
        ),
        ("huge headers", headers(whole, 3, &huge), is_broken),
        ("a reset", reset(3), is_broken),
        ("nothing", Vec::new(), |error| {
            matches!(error, OpenError::Deadline)
        }),
    ];
    for (what, bytes, wanted) in table {
        let hostile = Hostile::attached().await;
        let budget = hostile.budget.clone();
        let (session, _gateway, mut says) = hostile.listen();
        let target = "any:1".parse().unwrap();
        let answer = async {
            sleep(Duration::from_millis(1)).await;
            says.write_all(&bytes).await.unwrap();
        };
        let error = tokio::join!(session.open(&target), answer)
            .0
            .expect_err(what);
        assert!(wanted(&error), "{what}: {error:?}");
        assert_eq!(budget.used(), 0, "{what}");
        let mut next = open(&session, &mut says, 5).await;
        says.write_all(&data(END_STREAM, 5, b"fine")).await.unwrap();
        let mut rest = Vec::new();
        next.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"fine", "{what}");
    }
}

fn is_unreachable(error: &OpenError) -> bool {
    matches!(error, OpenError::Refused(Refusal::Unreachable))
}

fn is_broken(error: &OpenError) -> bool {
    matches!(error, OpenError::Broken(_))
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_resets_every_pipe_fails_each_alone() {
    let (session, _gateway, mut says) = Hostile::attached().await.listen();
    let target = "any:1".parse().unwrap();
    for id in (3..2003).step_by(2) {
        let answer = async {
            sleep(Duration::from_millis(1)).await;
            says.write_all(&reset(id)).await.unwrap();
        };
        let opened = tokio::join!(session.open(&target), answer).0;
        assert!(matches!(opened, Err(OpenError::Broken(_))), "{opened:?}");
    }
    assert_eq!(session.streams(), 0);
    open(&session, &mut says, 2003).await;
}

#[tokio::test(start_paused = true)]
async fn interim_answers_without_end_meet_the_deadline() {
    let (session, _gateway, mut says) = Hostile::attached().await.listen();
    let target = "any:1".parse().unwrap();
    let interim = headers(END_HEADERS, 3, &status("103")).repeat(100);
    let answers = async {
        loop {
            sleep(Duration::from_millis(10)).await;
            says.write_all(&interim).await.unwrap();
        }
    };
    let opened = tokio::select! {
        opened = session.open(&target) => opened,
        () = answers => unreachable!("it never ends"),
    };
    assert!(matches!(opened, Err(OpenError::Deadline)), "{opened:?}");
    assert!(!session.is_closing());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_ends_the_connection() {
    let early = data(0, 3, b"a body before its answer");
    let junk = headers(END_HEADERS, 3, &status("99"));
    for bytes in [early, junk] {
        let (session, gateway, mut says) = Hostile::attached().await.listen();
        let target = "any:1".parse().unwrap();
        let answer = async {
            sleep(Duration::from_millis(1)).await;
            says.write_all(&bytes).await.unwrap();
        };
        let opened = tokio::join!(session.open(&target), answer).0;
        assert!(matches!(opened, Err(OpenError::Broken(_))), "{opened:?}");
        let end = gateway.await.unwrap();
        let End::Broken(error) = &end else {
            panic!("{end:?}")
        };
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));
    }
}
