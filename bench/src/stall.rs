//! A stream that its reader has stopped reading. Every buffer on its way fills, and then everything
//! behind it stops.

use std::time::Duration;

use hyper::{Response, body::Incoming, upgrade::Upgraded};

use crate::client::{Client, Connection, Get};

/// What stalls.
#[derive(Debug)]
pub(crate) enum Stall {
    /// A download on the same connection as the requests beside it, so that they share every window
    /// that they could share.
    Download(Get),
    /// A watch over WebSocket on an upgraded connection of its own, like an exec.
    WebSocket { client: Client, path: String },
}

/// Held, and never polled.
#[derive(Debug)]
#[expect(dead_code, reason = "being there is all that is asked of them")]
pub(crate) enum Stalled {
    Download(Response<Incoming>),
    WebSocket(Upgraded),
}

impl Stall {
    /// Starts the stalled stream.
    pub(crate) async fn begin(&self, connection: &Connection) -> anyhow::Result<Stalled> {
        Ok(match self {
            Self::Download(request) => Stalled::Download(connection.sender().send(request).await?),
            Self::WebSocket { client, path } => Stalled::WebSocket(client.websocket(path).await?),
        })
    }

    /// The time until the buffers are full. Until then they cost work like any other stream.
    pub(crate) fn fills_within(&self) -> Duration {
        match self {
            Self::Download(_) => Duration::from_millis(100),
            // It also fills the socket buffers of connections that nobody else uses.
            Self::WebSocket { .. } => Duration::from_millis(600),
        }
    }
}
