//! One connection of an agent, and the targets behind it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{DuplexStream, Join, duplex, join},
    sync::watch,
    task::{JoinHandle, spawn},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Budget, Dial, Driver, End, Hello, Phase, Refusal, ServeError, Session, Share, Target, serve,
};

use crate::wire::{Silence, Wire};

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

/// No peer counts as dead before a ping has been unanswered for this long.
const NOBODY_DIES_WITHIN: Duration = Duration::from_secs(19);

/// A connection in the model.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) draining: bool,
    pub(crate) killed: bool,
    wire: Wire,
    silent_since: Option<Instant>,
    phase: watch::Receiver<Phase>,
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
        let (near, far, wire) = Wire::new(wire);
        let (drain_gateway, drain_agent) = (CancellationToken::new(), CancellationToken::new());
        let drained = drain_agent.clone().cancelled_owned();
        let (sender, phase) = watch::channel(Phase::Greeting);
        let agent = spawn(async move {
            serve(far, &Hello::default(), targets, &agent, sender, drained).await
        });
        let attached = Session::attach(near, &Hello::default(), gateway).await;
        let (session, driver): (_, Driver<_>) = attached.unwrap();
        let gateway = spawn(driver.run(drain_gateway.clone().cancelled_owned()));
        Self {
            session,
            draining: false,
            killed: false,
            wire,
            silent_since: None,
            phase,
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

    /// Passes nothing on in some directions, or everything.
    pub(crate) fn set_silence(&mut self, silence: Silence) {
        self.wire.set(silence);
        let since = self.silent_since.unwrap_or_else(Instant::now);
        self.silent_since = self.wire.is_silent().then_some(since);
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.wire.is_silent()
    }

    pub(crate) fn debug(&self) -> String { format!("drain {} kill {} silent {:?} closing {} streams {} issil {}", self.draining, self.killed, self.wire, self.session.is_closing(), self.session.streams(), self.session.is_silent()) }
    /// Whether it takes pipes, and answers.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.draining && !self.killed && !self.is_silent()
    }

    /// Whether an end may have given the other one up by now.
    pub(crate) fn may_be_dead(&self) -> bool {
        self.silent_since
            .is_some_and(|since| since.elapsed() >= NOBODY_DIES_WITHIN)
    }

    /// Notes whether an end has given the other one up, which it may only do after a silence.
    pub(crate) fn look(&mut self) {
        let has_ended = *self.phase.borrow() == Phase::Ended || self.gateway.is_finished();
        if self.draining {
            // It ends anyway, and does not say why.
            self.killed |= self.may_be_dead();
        } else if has_ended && !self.killed {
            assert!(self.may_be_dead(), "it ended by itself");
            self.killed = true;
        }
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
