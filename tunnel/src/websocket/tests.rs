//! Both ends over a pipe, and frames as others make them.

use std::time::Duration;

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::timeout,
};

use super::*;

fn keys() -> impl FnMut() -> [u8; 4] + Send {
    let mut next = 0_u32;
    move || {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        next.to_be_bytes()
    }
}

fn pair(room: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (client, server) = duplex(room);
    (WebSocket::client(client, keys()), WebSocket::server(server))
}

#[tokio::test]
async fn bytes_arrive_both_ways_through_a_narrow_pipe_and_then_the_end() {
    for room in [1, 7, 64, 1 << 20] {
        let (mut client, mut server) = pair(room);
        let sent: Vec<u8> = (0..100_000_u32).map(|it| it.to_le_bytes()[0]).collect();
        let there = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
            let mut back = Vec::new();
            client.read_to_end(&mut back).await.unwrap();
            back
        };
        let echo = async {
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).await.unwrap();
            server.write_all(&heard).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let (back, ()) = tokio::join!(there, echo);
        assert!(back == sent, "{room}");
    }
}

#[tokio::test]
async fn what_the_client_sends_is_masked_and_what_the_server_sends_is_not() {
    let (mut raw, io) = duplex(1024);
    let mut client = WebSocket::client(io, || [1, 2, 3, 4]);
    client.write_all(b"hello").await.unwrap();
    let mut frame = [0; 11];
    raw.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame[..6], [0x82, 0x85, 1, 2, 3, 4]);
    assert_eq!(
        frame[6..],
        [b'h' ^ 1, b'e' ^ 2, b'l' ^ 3, b'l' ^ 4, b'o' ^ 1]
    );

    let (mut raw, io) = duplex(1024);
    let mut server = WebSocket::server(io);
    server.write_all(b"hello").await.unwrap();
    let mut frame = [0; 7];
    raw.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x82\x05hello");
}

#[tokio::test]
async fn a_ping_gets_its_pong_and_fragments_are_one_stream() {
    let (mut raw, io) = duplex(1024);
    let mut client = WebSocket::client(io, || [0; 4]);
    // A message in two fragments, a ping between them, a pong that nobody asked for.
    raw.write_all(b"\x02\x03hel\x89\x02hi\x8a\x00\x80\x02lo")
        .await
        .unwrap();
    let mut heard = [0; 5];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    let mut pong = [0; 8];
    raw.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8a\x82\0\0\0\0hi");
}

#[tokio::test]
async fn a_close_is_the_end_and_a_broken_frame_is_an_error() {
    for (bytes, end) in [
        (&b"\x82\x02ok\x88\x02\x03\xe8"[..], None),
        (b"\x82\x02ok", None),
        (b"\x82\x05ok", Some(io::ErrorKind::UnexpectedEof)),
        (b"\x82\x02ok\x82", Some(io::ErrorKind::UnexpectedEof)),
        (b"\x82\x02ok\x81\x00", Some(io::ErrorKind::InvalidData)),
    ] {
        let (mut raw, io) = duplex(1024);
        raw.write_all(bytes).await.unwrap();
        raw.shutdown().await.unwrap();
        let mut heard = Vec::new();
        let ended = WebSocket::client(io, || [0; 4])
            .read_to_end(&mut heard)
            .await;
        assert!(heard.starts_with(b"ok"));
        assert_eq!(ended.err().map(|error| error.kind()), end, "{bytes:?}");
    }
}

/// A peer that sends pings and reads nothing costs one pong.
#[tokio::test]
async fn pings_without_end_take_no_memory() {
    let (mut raw, io) = duplex(256);
    let mut client = WebSocket::client(io, || [0; 4]);
    let pings = async {
        for _ in 0..10_000 {
            raw.write_all(b"\x89\x02hi").await.unwrap();
        }
        raw.write_all(b"\x82\x02ok").await.unwrap();
        raw
    };
    let mut heard = [0; 2];
    let read = client.read_exact(&mut heard);
    let (_raw, read) = tokio::join!(pings, timeout(Duration::from_mins(1), read));
    read.unwrap().unwrap();
    assert!(client.written.len() <= 2 * (LONGEST_HEAD + LONGEST_CONTROL));
}

proptest! {
    #[test]
    fn any_pieces_come_out_as_they_went_in(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..6),
        room in 1_usize..5000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut client, mut server) = pair(room);
            let sent = pieces.concat();
            let write = async {
                for piece in &pieces {
                    server.write_all(piece).await.unwrap();
                    server.flush().await.unwrap();
                }
                server.shutdown().await.unwrap();
            };
            let mut heard = Vec::new();
            let ((), read) = tokio::join!(write, client.read_to_end(&mut heard));
            read.unwrap();
            assert!(heard == sent);
        });
    }

    #[test]
    fn any_bytes_of_a_peer_end(bytes: Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut raw, io) = duplex(1 << 20);
            raw.write_all(&bytes).await.unwrap();
            raw.shutdown().await.unwrap();
            let _ = WebSocket::server(io).read_to_end(&mut Vec::new()).await;
        });
    }
}
