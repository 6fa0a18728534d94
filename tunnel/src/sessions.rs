//! All sessions of one cluster: its agents' parallel connections. A pipe goes to the session with
//! the fewest pipes, and to the next one if that is full, closes or breaks.

use parking_lot::RwLock;

use crate::{Budget, OpenError, Session, Stream, Target};

/// The sessions of one cluster.
#[derive(Debug, Default)]
pub struct Sessions(RwLock<Vec<Session>>);

impl Sessions {
    /// Adds a session.
    pub fn add(&self, session: Session) {
        self.0.write().push(session);
    }

    /// Removes a session that has ended. True if it was the last one.
    pub fn remove(&self, session: &Session) -> bool {
        let mut sessions = self.0.write();
        sessions.retain(|known| !known.is(session));
        sessions.is_empty()
    }

    /// All current sessions.
    pub fn all(&self) -> Vec<Session> {
        self.0.read().clone()
    }

    /// Whether one of the sessions accepts pipes.
    pub fn are_open(&self) -> bool {
        self.0.read().iter().any(|session| !session.is_closing())
    }

    /// Whether one of the sessions has room for another pipe.
    pub fn have_room(&self) -> bool {
        self.0.read().iter().any(Session::has_room)
    }

    /// Opens a pipe to `target` on the session with the fewest pipes. If the session breaks
    /// meanwhile, the next one is tried, which is safe because no byte was sent yet.
    pub async fn open(&self, target: &Target) -> Result<Stream, OpenError> {
        self.open_charged(target, None).await
    }

    /// Like [`open`](Self::open), but charged to `budget` instead of the budgets of the sessions.
    pub async fn open_for(&self, target: &Target, budget: &Budget) -> Result<Stream, OpenError> {
        self.open_charged(target, Some(budget)).await
    }

    async fn open_charged(
        &self,
        target: &Target,
        budget: Option<&Budget>,
    ) -> Result<Stream, OpenError> {
        let mut sessions: Vec<_> = self.all();
        sessions.retain(|session| !session.is_closing());
        sessions.sort_by_key(|session| (!session.has_room(), session.streams()));
        let mut failed = OpenError::Closing;
        for session in sessions {
            let opened = match budget {
                Some(budget) => session.open_for(target, budget).await,
                None => session.open(target).await,
            };
            match opened {
                Err(OpenError::Closing) => {}
                Err(error @ (OpenError::Broken(_) | OpenError::Budget)) => failed = error,
                opened => return opened,
            }
        }
        Err(failed)
    }
}
