//! What one grant allows on one cluster, and which streams a change of it ends there. Pure.
//!
//! ```text
//!                 ┌──────── edited, or on its way again ────────┐
//!                 ▼                                             │
//!   awaited ──► changing ───────────────────► holds ────────────┘
//!   all wait    who could go on, others wait  all may
//!                 │                             │
//!                 └──► refused, or ending ◄─────┘ ──► gone
//!                      nobody may; rights may linger there
//! ```
//!
//! Streams of a subject are cut when it may no longer, and once more when the rights that it had
//! are known to be gone: in between, another grant may have let it come back while the old rights
//! still lingered. They are cut as well when a newer version holds, which may allow less.

use std::{collections::BTreeSet, sync::Arc};

use crds::gateway::OnCluster;

use super::reading::{Obstacle, Phase, Subjects};

/// What a grant allows on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    /// Subjects that may use it.
    usable: Subjects,
    /// Subjects that may not use it yet, and why.
    waiting: Option<Waiting>,
    /// Subjects that may no longer use it, though their rights may still be on the cluster.
    lingering: BTreeSet<OnCluster>,
    /// The last generation that held there.
    held: Option<i64>,
}

/// Who waits for a grant, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    who: Subjects,
    why: Arc<Obstacle>,
}

/// The result of a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// `None` if nothing of the grant is left on the cluster.
    pub(super) claim: Option<Claim>,
    /// Subjects whose streams end.
    pub(super) cut: BTreeSet<OnCluster>,
}

/// What a subject has by one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Counts,
    Waits(Arc<Obstacle>),
}

impl Claim {
    /// What each subject has by it.
    pub(super) fn shares(&self) -> impl Iterator<Item = (&OnCluster, Share)> {
        let usable = self.usable.iter().map(|who| (who, Share::Counts));
        let waiting = self.waiting.iter().flat_map(|Waiting { who, why }| {
            who.iter()
                .map(move |who| (who, Share::Waits(Arc::clone(why))))
        });
        usable.chain(waiting)
    }
}

/// The claim of a grant after a change. It names these subjects now and is in this phase on the
/// cluster.
pub(super) fn step(old: Option<&Claim>, named: &Subjects, generation: i64, phase: &Phase) -> Step {
    let nothing = Claim::default();
    let old = old.unwrap_or(&nothing);
    let (usable, waiting) = match phase {
        Phase::Holds => (Arc::clone(named), None),
        Phase::Changing(why) => {
            let (usable, others): (Vec<_>, Vec<_>) =
                named.iter().cloned().partition(|it| old.may(it));
            (usable.into(), waiting(others.into(), why))
        }
        Phase::Awaited(why) | Phase::Refused(why) => (none(), waiting(Arc::clone(named), why)),
        Phase::Ending | Phase::Gone => (none(), None),
    };
    let mut claim = Claim {
        usable,
        waiting,
        lingering: old.lingering.clone(),
        held: old.held,
    };
    let lost = old.usable.iter().filter(|it| !claim.may(it)).cloned();
    let mut cut: BTreeSet<_> = lost.collect();
    claim.lingering.extend(cut.iter().cloned());
    match phase {
        Phase::Changing(_) => {}
        // Rights may have been brought that this gateway has never seen count.
        Phase::Refused(_) | Phase::Ending => claim.lingering.extend(named.iter().cloned()),
        Phase::Holds | Phase::Awaited(_) | Phase::Gone => cut.append(&mut claim.lingering),
    }
    if let Phase::Holds = phase {
        if old.held.is_some_and(|held| held != generation) {
            cut.extend(old.usable.iter().cloned());
        }
        claim.held = Some(generation);
    }
    Step {
        claim: (!matches!(phase, Phase::Gone)).then_some(claim),
        cut,
    }
}

impl Claim {
    fn may(&self, who: &OnCluster) -> bool {
        self.usable.binary_search(who).is_ok()
    }
}

fn waiting(who: Subjects, why: &Arc<Obstacle>) -> Option<Waiting> {
    (!who.is_empty()).then(|| Waiting {
        who,
        why: Arc::clone(why),
    })
}

fn none() -> Subjects {
    Arc::default()
}
