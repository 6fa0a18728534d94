//! One connection of an agent, and the targets behind it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{DuplexStream, Join, duplex, join},
    sync::watch,
    task::{JoinHandle, spawn},
    time::{Instant, sleep},
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

/// No peer counts as dead before a ping has been unanswered for 20 s. A step may take a part of the
/// last one.
const NOBODY_DIES_WITHIN: Duration = Duration::from_secs(19);
/// An end that closes waits for the other one for 5 s.
const NOBODY_LEAVES_WITHIN: Duration = Duration::from_secs(4);
/// Pings are at most 20 s apart, and one that is not answered for a second is noticed.
const NOTICED_WITHIN: Duration = Duration::from_millis(21_001);
/// A pipe that is late wants a ping at once.
const NOTICED_AFTER_A_PIPE: Duration = Duration::from_millis(1_001);
/// In virtual time, everything that can happen at an instant happens within it.
const SETTLE: Duration = Duration::from_millis(1);

/// A connection in the model.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) draining: bool,
    pub(crate) killed: bool,
    wire: Wire,
    quiet: Option<Quiet>,
    /// Whether one end may have left without the other one's answer.
    pub(crate) may_be_left: bool,
    phase: watch::Receiver<Phase>,
    gateway: JoinHandle<End>,
    agent: JoinHandle<Result<(), ServeError>>,
    drain_gateway: CancellationToken,
    drain_agent: CancellationToken,
}

/// A silence.
#[derive(Debug)]
struct Quiet {
    since: Instant,
    /// When pipes go elsewhere at the latest.
    noticed_at: Instant,
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
            quiet: None,
            may_be_left: false,
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

    /// Passes nothing on in some directions. If they change, a ping may still be answered.
    pub(crate) fn fall_silent(&mut self, silence: Silence) {
        self.wire.set(silence);
        let now = Instant::now();
        self.quiet = Some(Quiet {
            since: self.quiet.as_ref().map_or(now, |quiet| quiet.since),
            noticed_at: now + NOTICED_WITHIN,
        });
    }

    /// Passes everything on.
    pub(crate) async fn speak(&mut self) {
        self.wire.set(Silence::default());
        // An end that has just given the other one up shows it only now. One that has not gets its
        // answer before this time is over.
        sleep(SETTLE).await;
        self.look();
        self.quiet = None;
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.quiet.is_some()
    }

    /// How many pipes are open on it.
    pub(crate) fn streams(&self) -> usize {
        self.session.streams()
    }

    /// Whether it takes pipes, and answers.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.draining && !self.killed && !self.is_silent()
    }

    /// Whether a pipe may be asked for here, and get no answer.
    pub(crate) fn is_unnoticed(&self) -> bool {
        let quiet = self.quiet.as_ref();
        let unnoticed = quiet.is_some_and(|quiet| Instant::now() < quiet.noticed_at);
        unnoticed && !self.session.is_closing()
    }

    /// Notes that a pipe had to wait for it.
    pub(crate) fn was_late(&mut self) {
        if let Some(quiet) = &mut self.quiet {
            let at = Instant::now() + NOTICED_AFTER_A_PIPE;
            quiet.noticed_at = quiet.noticed_at.min(at);
        }
    }

    /// Whether an end may have given the other one up by now.
    pub(crate) fn may_be_dead(&self) -> bool {
        self.is_silent_for(NOBODY_DIES_WITHIN)
    }

    fn is_silent_for(&self, time: Duration) -> bool {
        let quiet = self.quiet.as_ref();
        quiet.is_some_and(|quiet| quiet.since.elapsed() >= time)
    }

    /// Takes in whether an end has given the other one up, which it may do only after a silence.
    pub(crate) fn look(&mut self) {
        let has_ended = *self.phase.borrow() == Phase::Ended || self.gateway.is_finished();
        if self.draining {
            // It ends anyway, and does not say why.
            self.killed |= self.may_be_dead();
            self.may_be_left |= self.is_silent_for(NOBODY_LEAVES_WITHIN);
        } else if has_ended && !self.killed {
            assert!(self.may_be_dead(), "it ended by itself");
            self.killed = true;
        }
    }

    /// Ends both ends in good order, unless the connection was killed or an end has left.
    pub(crate) async fn finish(mut self) {
        if !self.draining && !self.killed {
            self.drain(true);
        }
        let end = self.gateway.await.unwrap();
        let served = self.agent.await;
        if !self.killed && !self.may_be_left {
            assert!(matches!(end, End::Closed), "{end:?}");
            served.unwrap().unwrap();
        }
        assert_eq!(self.session.streams(), 0);
    }
}
