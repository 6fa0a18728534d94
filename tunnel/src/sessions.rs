//! All sessions of one cluster: its agents' parallel connections. A pipe goes to the session with
//! the fewest pipes among those that answer, and to the next one if that is full, closes, breaks or
//! is late. Those that are set aside come last.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::RwLock;

use crate::{Budget, Charge, OpenError, Session, Stream, Target, hedge::hedged, session::LATE};

/// The sessions of one cluster.
#[derive(Debug, Default)]
pub struct Sessions {
    all: RwLock<Vec<Session>>,
    /// Counts how often a session was set aside.
    aside: AtomicU64,
}

impl Sessions {
    /// Adds a session.
    pub fn add(&self, session: Session) {
        self.all.write().push(session);
    }

    /// Removes a session that has ended. True if it was the last one.
    pub fn remove(&self, session: &Session) -> bool {
        let mut sessions = self.all.write();
        sessions.retain(|known| !known.is(session));
        sessions.is_empty()
    }

    /// All current sessions.
    pub fn all(&self) -> Vec<Session> {
        self.all.read().clone()
    }

    /// Whether one of the sessions accepts pipes.
    pub fn are_open(&self) -> bool {
        self.all.read().iter().any(|session| !session.is_closing())
    }

    /// Whether one of the sessions has room for another pipe.
    pub fn have_room(&self) -> bool {
        self.all.read().iter().any(Session::has_room)
    }

    /// Whether one of the sessions accepts pipes, owes no answer to a ping, and is not set aside.
    pub fn answer(&self) -> bool {
        let sessions = self.all.read();
        let mut open = sessions.iter().filter(|session| !session.is_closing());
        open.any(|session| !session.is_silent() && !session.is_aside())
    }

    /// Sets a session aside: from now on it comes after all others, because its agent does not lead to
    /// where the caller wants to go. The tunnel itself cannot know that.
    pub fn set_aside(&self, session: &Session) {
        session.set_aside(self.aside.fetch_add(1, Ordering::Relaxed) + 1);
    }

    /// No session is set aside any more.
    pub fn readmit_all(&self) {
        for session in self.all.read().iter() {
            session.set_aside(0);
        }
    }

    /// Opens a pipe to `target` on the session with the fewest pipes. If the session fails or is
    /// late, the next one is tried, which is safe because no byte was sent yet. The pipe is charged
    /// to the budget that the sessions of a cluster have in common.
    pub async fn open(&self, target: &Target) -> Result<Stream, OpenError> {
        let budget = self.all.read().first().map(Session::budget);
        self.open_for(target, &budget.ok_or(OpenError::Closing)?)
            .await
    }

    /// Like [`open`](Self::open), but charged to `budget`.
    pub async fn open_for(&self, target: &Target, budget: &Budget) -> Result<Stream, OpenError> {
        if !self.are_open() {
            return Err(OpenError::Closing);
        }
        let charge = budget.charge_pipe().ok_or(OpenError::Budget)?;
        self.open_charged(target, &charge).await
    }

    /// Like [`open`](Self::open), but charged already. All attempts share the charge, so the last
    /// place of a budget is enough for them.
    pub async fn open_charged(
        &self,
        target: &Target,
        charge: &Charge,
    ) -> Result<Stream, OpenError> {
        let mut sessions: Vec<_> = self.all();
        sessions.retain(|session| !session.is_closing());
        sessions.sort_by_key(|it| (it.aside(), it.is_silent(), !it.has_room(), it.streams()));
        let attempts = sessions.into_iter().map(|session| {
            let charge = charge.clone();
            async move { session.open_charged(target, charge).await }
        });
        let mut failed = OpenError::Closing;
        let opened = hedged(attempts, LATE, |error| match error {
            OpenError::Closing => ControlFlow::Continue(()),
            error if error.is_of_session() => {
                failed = error;
                ControlFlow::Continue(())
            }
            error => ControlFlow::Break(error),
        });
        let opened = opened.await;
        opened.unwrap_or(Err(failed))
    }
}
