//! Ports of a pod, forwarded to here.

use std::time::Duration;

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::stage::{Stage, WAYS};

const CONNECTIONS: usize = 50;
const SIZE: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(20);
const ALL_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test]
#[ignore = "on a busy machine one connection in a hundred is reset before its last bytes"]
async fn fifty_connections_at_once_each_get_all_their_bytes() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("forward", &["serve", "8080"]).await;
    for way in WAYS {
        let forward = [
            "port-forward",
            "pod/forward",
            ":8080",
            "--address=127.0.0.1",
        ];
        let mut forward = stage.kubectl_by(way, &forward).spawn().unwrap();
        let line = forward.line_with("Forwarding from", SOON).await.unwrap();
        let line = line.unwrap_or_default();
        let mut words = line.split_whitespace();
        let address = words.nth(2).unwrap().to_owned();

        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = TcpStream::connect(&address).await.unwrap();
            connection.write_all(b"GET /bytes/").await.unwrap();
            connections.push(connection);
        }
        let lengths = join_all(connections.into_iter().map(length_of_answer));
        let lengths = timeout(ALL_WITHIN, lengths).await.unwrap();
        assert_eq!(lengths, [SIZE; CONNECTIONS], "{way:?}");
        forward.kill().await;
    }
}

/// Says the rest of the request and counts what comes behind the header.
async fn length_of_answer(mut connection: TcpStream) -> usize {
    let rest = format!("{SIZE} HTTP/1.0\r\n\r\n");
    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    answer.len() - end.map_or(answer.len(), |end| end + 4)
}
