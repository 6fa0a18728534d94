//! One connection of an agent, and the targets behind it.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{DuplexStream, Join, duplex, join},
    sync::watch,
    task::{JoinHandle, spawn},
};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Budget, Dial, Driver, End, Hello, Phase, Refusal, ServeError, Session, Share, Target, serve,
};

/// A target's end of a pipe: the part that it reads from, and the part that it writes to.
pub(crate) type FarEnd = (DuplexStream, DuplexStream);

/// Targets that were dialled and not yet given to the model, by name.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) dialled: Mutex<HashMap<String, FarEnd>>,
    pub(crate) buffer: usize,
}

impl Dial for Targets {
    type Io = Join<DuplexStream, DuplexStream>;

    async fn dial(&self, target: &Target, _: Share) -> Result<Self::Io, Refusal> {
        let ((read, to), (write, from)) = (duplex(self.buffer), duplex(self.buffer));
        let name = target.host().to_owned();
        self.dialled.lock().insert(name, (from, to));
        Ok(join(read, write))
    }
}

/// A connection in the model.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) draining: bool,
    pub(crate) killed: bool,
    gateway: JoinHandle<End>,
    agent: JoinHandle<Result<(), ServeError>>,
    drain_gateway: CancellationToken,
    drain_agent: CancellationToken,
}

impl Link {
    pub(crate) async fn attach(
        wire: usize,
        targets: Arc<Targets>,
        gateway: Budget,
        agent: Budget,
    ) -> Self {
        let (near, far) = duplex(wire);
        let (drain_gateway, drain_agent) = (CancellationToken::new(), CancellationToken::new());
        let drained = drain_agent.clone().cancelled_owned();
        let agent = spawn(async move {
            let phase = watch::channel(Phase::Greeting).0;
            serve(far, &Hello::default(), targets, &agent, phase, drained).await
        });
        let attached = Session::attach(near, &Hello::default(), gateway).await;
        let (session, driver): (_, Driver<_>) = attached.unwrap();
        let gateway = spawn(driver.run(drain_gateway.clone().cancelled_owned()));
        Self {
            session,
            draining: false,
            killed: false,
            gateway,
            agent,
            drain_gateway,
            drain_agent,
        }
    }

    pub(crate) fn drain(&mut self, gateway: bool) {
        self.draining = true;
        if gateway {
            self.drain_gateway.cancel();
        } else {
            self.drain_agent.cancel();
        }
    }

    pub(crate) fn kill(&mut self) {
        self.killed = true;
        self.agent.abort();
    }

    /// Ends both ends in good order, unless the connection was killed.
    pub(crate) async fn finish(mut self) {
        if !self.draining && !self.killed {
            self.drain(true);
        }
        let end = self.gateway.await.unwrap();
        let served = self.agent.await;
        if !self.killed {
            assert!(matches!(end, End::Closed), "{end:?}");
            served.unwrap().unwrap();
        }
        assert_eq!(self.session.streams(), 0);
    }
}
