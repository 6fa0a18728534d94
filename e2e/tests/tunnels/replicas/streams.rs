//! Upgraded connections with traffic both ways: watches over WebSocket, which need no node.

use std::time::Duration;

use e2e::{Cluster, Http1};
use http::Response;
use hyper::{
    body::Incoming,
    upgrade::{Upgraded, on},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    select,
    sync::watch,
    time::{Instant, sleep},
};

use super::watches::{NEWS, number};
use crate::stage::GATEWAYS;

pub(super) const WEBSOCKET: [(&str, &str); 5] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("origin", "https://localhost"),
];
/// A text frame of one byte, as a client sends it. The server ignores it.
const WORD: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'x'];
const RETRY: Duration = Duration::from_millis(100);

/// A watch over WebSocket.
pub(super) struct Stream {
    _client: Http1,
    pipe: TokioIo<Upgraded>,
}

/// The result of one stream.
#[derive(Debug)]
pub(super) struct Lasted {
    /// `None` if it was still open at the end.
    pub(super) ended: Option<Instant>,
    pub(super) events: u64,
    /// The numbers of the events that it missed.
    pub(super) lost: Vec<u64>,
}

impl Stream {
    /// Takes the byte stream from an answer that agreed to the upgrade.
    pub(super) async fn new((client, answer): (Http1, Response<Incoming>)) -> Result<Self, String> {
        if answer.status() != 101 {
            return Err(answer.status().to_string());
        }
        let upgraded = on(answer).await.map_err(|error| error.to_string())?;
        Ok(Self {
            _client: client,
            pipe: TokioIo::new(upgraded),
        })
    }

    /// Sends a frame and reads the next one; `None` if the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            self.pipe.write_all(&WORD).await.ok()?;
            self.pipe.flush().await.ok()?;
            let (opcode, payload) = self.frame().await.ok()?;
            match opcode {
                1 => return serde_json::from_slice(&payload).ok(),
                8 => return None,
                _ => {}
            }
        }
    }

    /// One frame of a server, which is not masked (RFC 6455 §5.2).
    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let opcode = self.pipe.read_u8().await? & 0xf;
        let length = match self.pipe.read_u8().await? {
            126 => self.pipe.read_u16().await?.into(),
            127 => self.pipe.read_u64().await?,
            length => length.into(),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.pipe.read_exact(&mut payload).await?;
        Ok((opcode, payload))
    }
}

/// Keeps one stream after the other open through the hub until the test is over.
pub(super) async fn keep(hub: Cluster, mut over: watch::Receiver<bool>) -> Vec<Lasted> {
    let mut all = Vec::new();
    while !*over.borrow() {
        let client = Http1::new(hub.url(), &hub.ca_pem(), hub.admin()).unwrap();
        let path = format!("{GATEWAYS}/managed1/proxy{NEWS}");
        let stream = match client.get(&path, &WEBSOCKET).await {
            Ok(answer) => Stream::new((client, answer)).await,
            Err(error) => Err(error.to_string()),
        };
        match stream {
            Ok(stream) => all.push(lasts(stream, &mut over).await),
            Err(error) => {
                println!("no stream: {error}");
                sleep(RETRY).await;
            }
        }
    }
    all
}

async fn lasts(mut stream: Stream, over: &mut watch::Receiver<bool>) -> Lasted {
    let (mut events, mut lost, mut seen) = (0, Vec::new(), None);
    loop {
        let event = select! {
            event = stream.next() => event,
            _ = over.wait_for(|over| *over) => return Lasted { ended: None, events, lost },
        };
        let Some(event) = event else {
            let ended = Some(Instant::now());
            return Lasted {
                ended,
                events,
                lost,
            };
        };
        let now = number(&event["object"]["data"]);
        lost.extend(seen.map_or(now, |seen| seen + 1)..now);
        seen = Some(now);
        events += 1;
    }
}
