//! A network between both ends: it takes time, and either direction can be cut. What is under way when
//! it is cut arrives when it heals, as TCP sees to.

use std::time::Duration;

use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex, split,
    },
    select,
    sync::watch,
    task::spawn,
    time::sleep,
};

/// What is on the way in each direction; with the delay, it sets the bandwidth.
const PACKET: usize = 64 << 10;

/// Which directions let bytes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passes {
    pub(crate) to_agent: bool,
    pub(crate) to_gateway: bool,
}

impl Passes {
    pub(crate) const BOTH: Self = Self {
        to_agent: true,
        to_gateway: true,
    };
    pub(crate) const NONE: Self = Self {
        to_agent: false,
        to_gateway: false,
    };
}

/// The gateway's end, the agent's end, and what cuts and heals.
pub(crate) fn wire(delay: Duration) -> (DuplexStream, DuplexStream, watch::Sender<Passes>) {
    let ((near, gateway), (far, agent)) = (duplex(PACKET), duplex(PACKET));
    let (switch, passes) = watch::channel(Passes::BOTH);
    let (from_gateway, to_gateway) = split(gateway);
    let (from_agent, to_agent) = split(agent);
    let cut = passes.clone();
    spawn(async move {
        let there = carry(from_gateway, to_agent, cut, |passes| passes.to_agent, delay);
        let back = carry(from_agent, to_gateway, passes, |it| it.to_gateway, delay);
        // Closing one direction leaves the other one; a broken one breaks both.
        let _ = tokio::try_join!(there, back);
    });
    (near, far, switch)
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passes: watch::Receiver<Passes>,
    open: fn(&Passes) -> bool,
    delay: Duration,
) -> std::io::Result<()> {
    let mut packet = vec![0; PACKET];
    loop {
        let length = select! {
            length = from.read(&mut packet) => length?,
            () = until_cut(passes.clone(), open) => {
                until_open(&mut passes, open).await;
                continue;
            }
        };
        sleep(delay).await;
        until_open(&mut passes, open).await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&packet[..length]).await?;
    }
}

async fn until_open(passes: &mut watch::Receiver<Passes>, open: fn(&Passes) -> bool) {
    if passes.wait_for(open).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn until_cut(mut passes: watch::Receiver<Passes>, open: fn(&Passes) -> bool) {
    if passes.wait_for(|passes| !open(passes)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
