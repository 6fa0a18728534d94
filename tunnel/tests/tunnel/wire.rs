//! A network between both ends with a delay, in which each direction can be cut. Data in transit
//! during a cut arrives after the repair, as with TCP.

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

/// How much is in transit in each direction. With the delay, it determines the bandwidth.
const PACKET: usize = 64 << 10;

/// Which directions are open.
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

/// Returns the gateway's end, the agent's end, and the switch that cuts and repairs.
pub(crate) fn wire(delay: Duration) -> (DuplexStream, DuplexStream, watch::Sender<Passes>) {
    wire_of(PACKET, delay)
}

/// Like [`wire`], with another size of what is in transit.
pub(crate) fn wire_of(
    packet: usize,
    delay: Duration,
) -> (DuplexStream, DuplexStream, watch::Sender<Passes>) {
    let ((near, gateway), (far, agent)) = (duplex(packet), duplex(packet));
    let (switch, passes) = watch::channel(Passes::BOTH);
    let (from_gateway, to_gateway) = split(gateway);
    let (from_agent, to_agent) = split(agent);
    let cut = passes.clone();
    spawn(async move {
        let there = carry(
            from_gateway,
            to_agent,
            cut,
            |passes| passes.to_agent,
            (packet, delay),
        );
        let back = carry(
            from_agent,
            to_gateway,
            passes,
            |it| it.to_gateway,
            (packet, delay),
        );
        // If one direction is closed, the other one stays open. If one breaks, both break.
        let _ = tokio::try_join!(there, back);
    });
    (near, far, switch)
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passes: watch::Receiver<Passes>,
    open: fn(&Passes) -> bool,
    (packet, delay): (usize, Duration),
) -> std::io::Result<()> {
    let mut packet = vec![0; packet];
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
