//! What one grant allows on one cluster. Pure.
//!
//! ```text
//!                 ┌──────── edited, or on its way again ────────┐
//!                 ▼                                             │
//!   awaited ──► changing ───────────────────► holds ────────────┘
//!   all wait    who could go on if it         all may
//!               allows the same, others wait    │
//!                 │                             │
//!                 └──► refused, or over ◄───────┘ ──► gone
//!                      nobody may
//! ```
//!
//! Who may has the group of the grant's present version. What an older version allowed is bound to
//! another group, so nobody can use it, even while it is still on the cluster.

use std::sync::Arc;

use crds::gateway::OnHub;
use http::HeaderValue;

use super::reading::{Allowed, Obstacle, Phase, Subjects};

/// What a grant allows on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Subjects that may use it.
    usable: Subjects,
    /// The group that they have.
    group: HeaderValue,
    /// Subjects that may not use it, and why.
    waiting: Option<Waiting>,
}

/// Who cannot use a grant, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    who: Subjects,
    why: Arc<Obstacle>,
}

/// What a subject has by one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// This group.
    Counts(HeaderValue),
    /// Nothing.
    Waits(Arc<Obstacle>),
}

impl Claim {
    /// What each subject has by it.
    pub(super) fn shares(&self) -> impl Iterator<Item = (&OnHub, Share)> {
        let usable = self
            .usable
            .iter()
            .map(|who| (who, Share::Counts(self.group.clone())));
        let waiting = self.waiting.iter().flat_map(|Waiting { who, why }| {
            who.iter()
                .map(move |who| (who, Share::Waits(Arc::clone(why))))
        });
        usable.chain(waiting)
    }

    /// Why a subject that it names cannot use it. `None` if the subject can.
    pub(super) fn obstacle(&self, who: &OnHub) -> Option<&Obstacle> {
        let waiting = self.waiting.as_ref().filter(|_| !self.may(who))?;
        Some(&waiting.why)
    }

    fn may(&self, who: &OnHub) -> bool {
        self.usable.binary_search(who).is_ok()
    }
}

/// The claim of a grant after a change: it allows this now, and is in this phase on the cluster.
/// `None` if nothing of the grant is on the cluster.
pub(super) fn step(old: Option<&Claim>, allowed: &Allowed, phase: &Phase) -> Option<Claim> {
    let Allowed { named, group } = allowed;
    let (usable, waiting) = match phase {
        Phase::Holds => (Arc::clone(named), None),
        Phase::Changing(why) => {
            let old = old.filter(|old| old.group == *group);
            let goes_on = |who: &OnHub| old.is_some_and(|old| old.may(who));
            let (usable, others): (Vec<_>, Vec<_>) = named.iter().cloned().partition(goes_on);
            (usable.into(), waiting(others.into(), why))
        }
        Phase::Awaited(why) | Phase::Refused(why) | Phase::Over(why) => {
            (Arc::default(), waiting(Arc::clone(named), why))
        }
        Phase::Gone => return None,
    };
    Some(Claim {
        usable,
        group: group.clone(),
        waiting,
    })
}

fn waiting(who: Subjects, why: &Arc<Obstacle>) -> Option<Waiting> {
    (!who.is_empty()).then(|| Waiting {
        who,
        why: Arc::clone(why),
    })
}
