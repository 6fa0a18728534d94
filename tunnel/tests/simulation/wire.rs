//! A connection that can fall silent in one direction or in both. What is sent meanwhile arrives
//! once it speaks again, as with TCP.

use std::io;

use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex, split,
    },
    sync::watch,
    task::{AbortHandle, spawn},
};

/// Which directions pass nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Silence {
    pub(crate) to_agent: bool,
    pub(crate) to_gateway: bool,
}

/// The switch of a wire, which breaks when it is dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    silence: watch::Sender<Silence>,
    carrying: AbortHandle,
}

impl Wire {
    /// The gateway's end, the agent's end, and the switch.
    pub(crate) fn new(buffer: usize) -> (DuplexStream, DuplexStream, Self) {
        let ((near, gateway), (far, agent)) = (duplex(buffer), duplex(buffer));
        let (silence, heard) = watch::channel(Silence::default());
        let (from_gateway, to_gateway) = split(gateway);
        let (from_agent, to_agent) = split(agent);
        let of_agent = heard.clone();
        let carrying = spawn(async move {
            let there = carry(from_gateway, to_agent, of_agent, |it| !it.to_agent);
            let back = carry(from_agent, to_gateway, heard, |it| !it.to_gateway);
            // If one direction ends, the other one goes on. If one breaks, both break.
            let _ = tokio::try_join!(there, back);
        });
        let carrying = carrying.abort_handle();
        (near, far, Self { silence, carrying })
    }

    pub(crate) fn set(&self, silence: Silence) {
        self.silence.send_replace(silence);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut silence: watch::Receiver<Silence>,
    passes: fn(&Silence) -> bool,
) -> io::Result<()> {
    let mut piece = [0; 4096];
    loop {
        let length = from.read(&mut piece).await?;
        if silence.wait_for(passes).await.is_err() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..length]).await?;
    }
}
