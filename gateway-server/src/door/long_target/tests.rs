use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http2 as server2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::proxy::target_uri::LONGEST;

/// What the library gets if these pieces come one after the other.
async fn passed(pieces: Vec<Vec<u8>>, is_http2: bool) -> Vec<u8> {
    let (mut near, far) = duplex(1 << 20);
    let writing = async move {
        for piece in pieces {
            near.write_all(&piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let mut reading = LongTargets::new(far, is_http2);
    let mut passed = Vec::new();
    let (read, ()) = tokio::join!(reading.read_to_end(&mut passed), writing);
    read.unwrap();
    passed
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    [head.as_slice(), payload].concat()
}

/// GET with this target, as HEADERS and CONTINUATIONs of so many bytes.
fn get(target: &str, part: usize) -> Vec<u8> {
    let length = target.len() - 0x7f;
    let seven = |shift: u32| u8::try_from((length >> shift) & 0x7f).unwrap();
    let length = [0x7f, seven(0) | 0x80, seven(7) | 0x80, seven(14)];
    let authority = [0x41, 3, b'h', b'u', b'b'];
    let block = [
        &[0x82, 0x87, 0x04],
        length.as_slice(),
        target.as_bytes(),
        &authority,
    ]
    .concat();
    let count = block.len().div_ceil(part);
    let frames = block.chunks(part).enumerate().map(|(at, part)| {
        let end = if at + 1 == count { 4 } else { 0 };
        if at == 0 {
            frame(1, end | 1, part)
        } else {
            frame(9, end, part)
        }
    });
    frames.collect::<Vec<_>>().concat()
}

fn target(length: usize) -> String {
    format!("/{}", "x".repeat(length - 1))
}

/// The path and the size of the padding that a server sees.
async fn seen(target: &str) -> String {
    let (mut caller, server) = duplex(1 << 20);
    let echo = service_fn(|request: Request<Incoming>| {
        let path = Bytes::from(request.uri().path().to_owned());
        ready(Ok::<_, Infallible>(Response::new(Full::new(path))))
    });
    let io = TokioIo::new(LongTargets::new(server, true));
    let mut builder = server2::Builder::new(TokioExecutor::new());
    builder.max_header_list_size(1 << 20);
    let serving = builder.serve_connection(io, echo);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let sent = [preface.as_slice(), &settings, &get(target, 16 << 10)].concat();
    let calling = async {
        caller.write_all(&sent).await.unwrap();
        loop {
            let mut head = [0; 9];
            caller.read_exact(&mut head).await.unwrap();
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            caller.read_exact(&mut payload).await.unwrap();
            assert!(![3, 7].contains(&head[3]), "reset: {payload:?}");
            if head[3] == 0 {
                return String::from_utf8(payload).unwrap();
            }
        }
    };
    tokio::select! {
        path = calling => path,
        ended = serving => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn over_http2_a_target_that_is_too_long_becomes_another_one() {
    assert_eq!(seen(&target(9000)).await, target(9000));
    assert_eq!(seen(&target(LONGEST + 1)).await, TOO_LONG_PATH);
    assert_eq!(seen(&target(200_000)).await, TOO_LONG_PATH);
}

#[tokio::test]
async fn over_http1_a_target_that_is_too_long_becomes_another_one() {
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: hub\r\n\r\n");
    for length in [2, 9000, LONGEST, LONGEST + 1, 200_000] {
        let sent = request(&target(length)).into_bytes();
        let wanted = if length <= LONGEST {
            sent.clone()
        } else {
            request(TOO_LONG_PATH).into_bytes()
        };
        for size in [sent.len(), 1000, 170] {
            let pieces = sent.chunks(size).map(<[u8]>::to_vec).collect();
            assert!(passed(pieces, false).await == wanted, "{length} {size}");
        }
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (0..12_u8, any::<u8>(), payload).prop_map(|(kind, flags, it)| frame(kind, flags, &it)),
        (200..400_usize, 1..300_usize).prop_map(|(length, part)| get(&target(length), part)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everything_else_passes_as_it_is_in_pieces_of_any_size(
        frames in proptest::collection::vec(any_frame(), 0..8),
        cuts in proptest::collection::vec(1..60_usize, 1..20),
        rest in 0..9_usize,
    ) {
        let sent = [vec![b'-'; 24], frames.concat(), vec![1; rest]].concat();
        let mut pieces = Vec::new();
        let (mut left, mut cuts) = (sent.as_slice(), cuts.iter().cycle());
        while !left.is_empty() {
            let (piece, later) = left.split_at((*cuts.next().unwrap()).min(left.len()));
            pieces.push(piece.to_vec());
            left = later;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(runtime.block_on(passed(pieces, true)), sent);
    }

    #[test]
    fn a_target_that_is_too_long_is_found_in_pieces_of_any_size(
        part in 5000..16_000_usize, cut in 1..70_000_usize,
    ) {
        let sent = [vec![b'-'; 24], get(&target(LONGEST + 1), part), frame(0, 1, b"next")].concat();
        let pieces = sent.chunks(cut).map(<[u8]>::to_vec).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let passed = runtime.block_on(passed(pieces, true));
        prop_assert!(passed.len() < 200);
        prop_assert!(passed.ends_with(&frame(0, 1, b"next")));
        let found = passed.windows(TOO_LONG_PATH.len()).any(|it| it == TOO_LONG_PATH.as_bytes());
        prop_assert!(found);
    }
}

#[tokio::test]
async fn a_block_that_is_too_large_to_be_held_passes() {
    let sent = [
        vec![b'-'; 24],
        get(&target(400_000), 16_000),
        frame(0, 1, b"next"),
    ]
    .concat();
    assert!(passed(vec![sent.clone()], true).await == sent);
}
