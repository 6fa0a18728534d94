//! A change that would remove many clusters at once waits for a confirmation: an annotation of the
//! configuration that names its generation, and how many clusters may leave at most. Clusters that
//! leave for a reason of their own, e.g. because they are detached, do not count. Pure.

use crds::gateway::Removals;
use jiff::Timestamp;

use super::choice::{is_addon_foreign, is_unselected, leaves_at};
use crate::{kind::Kind, names::GATEWAY, object::is_ours, observed::Observed};

/// The enrolled clusters that the configuration no longer selects, or all of them if the add-on
/// belongs to somebody else.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Leaving {
    pub(crate) clusters: Vec<String>,
    pub(crate) enrolled: usize,
    /// When the next cluster counts that a placement may still select again.
    pub(crate) next: Option<Timestamp>,
}

impl Leaving {
    /// Those that leave, and those that would leave if nothing else happens.
    fn of(observed: &Observed) -> Self {
        let rows = observed.all(Kind::ManagedClusterAddOn);
        let enrolled = rows.filter(|(key, row)| key.name == GATEWAY && is_ours(row));
        let is_taken = is_addon_foreign(observed);
        let mut leaving = Self::default();
        for (key, _) in enrolled {
            leaving.enrolled += 1;
            if is_taken || is_unselected(observed, &key.namespace) {
                leaving.clusters.push(key.namespace.clone());
            }
        }
        leaving
    }

    /// Those that leave now, without those that a placement may select again in a moment.
    pub(crate) fn now(observed: &Observed, now: Timestamp) -> Self {
        let mut leaving = Self::of(observed);
        let mut next = None;
        leaving.clusters.retain(|cluster| {
            let leaves = leaves_at(observed, cluster, now);
            next = next.into_iter().chain(leaves).min();
            leaves.is_none()
        });
        leaving.next = next;
        leaving
    }

    /// The confirmation that lets them leave. `None` if they need none.
    pub(crate) fn confirmation(&self, observed: &Observed) -> Option<String> {
        let configuration = observed.configuration()?;
        let Removals {
            max_clusters,
            max_percent,
        } = configuration.spec.clusters.removals;
        let [max_clusters, max_percent] =
            [max_clusters, max_percent].map(|it| usize::try_from(it).unwrap_or_default());
        let (count, generation) = (self.clusters.len(), configuration.generation);
        let is_much = count > max_clusters && count * 100 > max_percent * self.enrolled;
        let is_confirmed = configuration
            .confirmed
            .is_some_and(|it| it.generation == generation && count <= it.clusters);
        (is_much && !is_confirmed).then(|| format!("{generation}-{count}"))
    }
}

/// True if clusters that the configuration no longer selects stay until somebody confirms that they
/// leave.
pub(super) fn is_held(observed: &Observed) -> bool {
    observed.removals_held(|observed| Leaving::of(observed).confirmation(observed).is_some())
}
