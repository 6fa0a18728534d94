//! Ports of a pod that are forwarded to the test.

use std::{io, time::Duration};

use e2e::Kubectl;
use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::stage::{Stage, WAYS};

const FORWARD: [&str; 4] = [
    "port-forward",
    "pod/forward",
    ":8080",
    "--address=127.0.0.1",
];
const CONNECTIONS: usize = 50;
const SIZE: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(20);
const ALL_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn fifty_connections_at_once_each_get_all_their_bytes() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("forward", &["serve", "8080"]).await;
    for way in WAYS {
        let forward = stage.kubectl_by(way, &FORWARD);
        fifty_connections(forward, &format!("{way:?}")).await;
    }
}

#[tokio::test]
#[ignore = "for comparison: what Kubernetes itself does with nothing of ours in between"]
async fn fifty_connections_straight_at_the_spoke() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("forward", &["serve", "8080"]).await;
    for websockets in ["false", "true"] {
        stage.fence.on_spoke_side(|| {
            let forward = stage.spoke().kubectl(&FORWARD);
            let forward = forward.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
            fifty_connections(forward, "directly")
        });
    }
}

async fn fifty_connections(forward: Kubectl, way: &str) {
    let mut forward = forward.spawn().unwrap();
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
    let answers = join_all(connections.into_iter().map(answer));
    let answers = timeout(ALL_WITHIN, answers).await.unwrap();
    let said = forward.kill().await;
    for (number, (length, ended)) in answers.into_iter().enumerate() {
        let ended = ended.map_err(|error| error.kind());
        assert_eq!(
            (length, ended),
            (SIZE, Ok(())),
            "{way}, connection {number}: {said}"
        );
    }
}

/// Sends the rest of the request. Returns how many bytes came after the header, and how the
/// connection ended.
async fn answer(mut connection: TcpStream) -> (usize, io::Result<()>) {
    let rest = format!("{SIZE} HTTP/1.0\r\n\r\n");
    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = connection.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let length = end.map_or(0, |end| answer.len() - (end + 4));
    (length, ended.map(drop))
}
