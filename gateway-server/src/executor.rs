//! hyper's own tasks, spawned where shutdown can await them.

use std::future::Future;

use hyper::rt::Executor;
use tokio_util::task::TaskTracker;

/// An executor whose tasks belong to a [`TaskTracker`].
#[derive(Clone, Debug)]
pub(crate) struct TrackedExecutor(pub(crate) TaskTracker);

impl<F> Executor<F> for TrackedExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
