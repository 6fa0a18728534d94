//! Follows one kind of object of the hub. While the hub's API server is away, what was last known
//! stays in use; what becomes of an object is its follower's business.

use std::{fmt::Debug, pin::pin};

use futures::TryStreamExt as _;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use runtime::readiness::Condition;
use serde::de::DeserializeOwned;
use tracing::warn;

/// Who wants to know of all objects of a kind.
pub(crate) trait Follower {
    /// The kind.
    type Object: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;
    /// What to call its objects in a log.
    const WHAT: &'static str;

    /// These are all that there are.
    fn reset(&self, objects: &[Self::Object]);
    /// The hub has none, not even a name for them.
    fn has_no_kind(&self);
    /// One is new or changed.
    fn apply(&self, object: &Self::Object);
    /// One is gone.
    fn remove(&self, object: &Self::Object);
}

/// Tells `follower` for as long as it is polled; `listed` is met from the first full list on. A hub
/// without the kind has none, which is as good as a list: it is looked for again with growing pauses.
pub(crate) async fn follow<F: Follower>(
    follower: &F,
    api: Api<F::Object>,
    config: watcher::Config,
    listed: Condition,
) {
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut listing = Vec::new();
    let mut complaint = None;
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listing.clear(),
            Ok(Some(Event::InitApply(object))) => listing.push(object),
            Ok(Some(Event::InitDone)) => {
                complaint = None;
                follower.reset(&std::mem::take(&mut listing));
                listed.set(true);
            }
            Ok(Some(Event::Apply(object))) => follower.apply(&object),
            Ok(Some(Event::Delete(object))) => follower.remove(&object),
            Ok(None) => return,
            Err(error) => {
                let said = error.to_string();
                if complaint.as_ref() != Some(&said) {
                    warn!(%error, "watching {}; what is known stays in use", F::WHAT);
                    complaint = Some(said);
                }
                if is_unknown_kind(&error) {
                    follower.has_no_kind();
                    listed.set(true);
                }
            }
        }
    }
}

/// By its code alone: what the API server says of a path that it does not serve is no Status.
fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404
    )
}
