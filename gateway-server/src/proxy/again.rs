//! Whether a request that got no answer is sent again, and how. Pure.
//!
//! ```text
//!  it was not taken ──► on another connection, whatever it asks for
//!  a kept connection was closed ──► on a new one, if it may be carried out twice
//!  the token was rejected ──► with a newer one, once
//! ```

use std::time::Duration;

use http::Method;

use super::failure::Failure;
use crate::upstream::Wanted;

/// How often a request that was not taken is sent again. An API server that closes one of fifty
/// connections after each answer turns a request away so often once in a million times.
const MOST: u32 = 6;
/// How long the third attempt waits. The second one does not: usually another connection takes it.
/// Each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// What has become of a request so far.
#[derive(Debug)]
pub(super) struct Attempts {
    /// It may be carried out twice.
    is_safe: bool,
    is_renewed: bool,
    untaken: u32,
    wanted: Wanted,
}

/// How a request is sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    After(Duration),
    WithNewerToken,
}

impl Attempts {
    pub(super) fn of(method: &Method) -> Self {
        let is_safe = method.is_safe();
        Self {
            is_safe,
            is_renewed: false,
            untaken: 0,
            wanted: if is_safe { Wanted::Any } else { Wanted::Recent },
        }
    }

    /// Which connection the next attempt may use.
    pub(super) fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// What to do after an attempt has failed; `None` if it was the last one.
    pub(super) fn next(&mut self, failure: &Failure) -> Option<Next> {
        match failure {
            Failure::Untaken(_) if self.untaken < MOST => {
                let pause = match self.untaken {
                    0 => Duration::ZERO,
                    more => FIRST_PAUSE * (1 << (more - 1)),
                };
                self.untaken += 1;
                Some(Next::After(pause))
            }
            Failure::Stale(_) if self.is_safe && self.wanted != Wanted::New => {
                self.wanted = Wanted::New;
                Some(Next::After(Duration::ZERO))
            }
            Failure::CredentialRejected if !self.is_renewed => {
                self.is_renewed = true;
                Some(Next::WithNewerToken)
            }
            _ => None,
        }
    }
}
