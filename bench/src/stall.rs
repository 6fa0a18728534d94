//! Something that its reader has stopped reading: every buffer on its way fills, and then everything
//! behind it stops.

use std::time::Duration;

use hyper::{Response, body::Incoming, upgrade::Upgraded};

use crate::client::{Client, Connection, Get};

/// What stalls.
#[derive(Debug)]
pub(crate) enum Stall {
    /// A download on the very connection that the requests beside it are on, so that every window
    /// they could share they do share.
    Download(Get),
    /// A watch over WebSocket, an upgraded connection of its own as an exec is one.
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
    /// Begins it.
    pub(crate) async fn begin(&self, connection: &Connection) -> anyhow::Result<Stalled> {
        Ok(match self {
            Self::Download(request) => Stalled::Download(connection.sender().send(request).await?),
            Self::WebSocket { client, path } => Stalled::WebSocket(client.websocket(path).await?),
        })
    }

    /// Time until the buffers are full, which is work like any other.
    pub(crate) fn fills_within(&self) -> Duration {
        match self {
            Self::Download(_) => Duration::from_millis(100),
            // It fills the socket buffers of connections that nobody else uses, too.
            Self::WebSocket { .. } => Duration::from_millis(600),
        }
    }
}
