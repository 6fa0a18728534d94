//! All watches of the hub. While the hub's API server is away, the last known state stays in use.
//! What an object means is up to its follower.

mod caps;
mod clusters;
pub(crate) mod follower;
mod front_proxy;
mod grants;
mod hub;

use std::pin::pin;

use futures::TryStreamExt as _;
use kube::{
    Api,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use runtime::{causes::chain, readiness::Condition};
use tracing::warn;

use self::follower::Follower;
#[cfg(test)]
pub(crate) use self::grants::end_in_time;
pub(crate) use self::hub::follow_hub;

/// Tells `follower` for as long as it is polled; `listed` is met from the first full list on. A hub
/// that does not have the kind counts as one with an empty list; the watch is tried again with
/// growing pauses.
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
                complaint = Some(complain(complaint.as_deref(), &error, F::WHAT));
                if is_unknown_kind(&error) || F::IS_OPTIONAL && is_refused(&error) {
                    follower.has_no_kind();
                    listed.set(true);
                }
            }
        }
    }
}

/// Says once why something cannot be watched. Returns what was said.
fn complain(before: Option<&str>, error: &watcher::Error, what: &str) -> String {
    let said = chain(error);
    if before != Some(&*said) {
        warn!(
            error = said,
            "cannot watch {what}; the last known state stays in use"
        );
    }
    said
}

/// The hub answers, and does not give the list, e.g. because the gateway may not read it.
fn is_refused(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(_))
    )
}

/// Only the code counts: for a path that it does not serve, the API server does not answer a
/// Status.
fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404
    )
}
