//! Another replica of this gateway, as this one uses it: the connections on which it takes pipes.

use std::time::Duration;

use crds::ClusterName;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tunnel::{Charge, OpenError, ReplicaId, Session, Sessions, Stream, Target};

use super::signal::Signal;
use crate::metrics::Counter;

/// How long the opening of a pipe waits for another connection if all are full.
const GROWTH_DEADLINE: Duration = Duration::from_secs(2);
/// The number of pipes on each connection at which another connection is opened.
const NEARLY_FULL: usize = 192;

/// Another replica.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ReplicaId,
    sessions: Sessions,
    /// Set when it is shutting down. Then pipes are opened at other replicas that have a tunnel, if
    /// there are any.
    draining: Signal,
    crowded: Notify,
    grown: watch::Sender<()>,
    /// Counts the pipes that were opened through it.
    passed: Counter,
}

impl Peer {
    pub(crate) fn new(id: ReplicaId, passed: Counter) -> Self {
        Self {
            id,
            passed,
            sessions: Sessions::default(),
            draining: Signal::default(),
            crowded: Notify::new(),
            grown: watch::Sender::default(),
        }
    }

    /// Adds a connection and removes those that have ended.
    pub(crate) fn add(&self, session: Session) {
        let over = |session: &Session| session.is_closing() && session.streams() == 0;
        for session in self.sessions.all().iter().filter(|it| over(it)) {
            self.sessions.remove(session);
        }
        self.sessions.add(session);
        self.grown.send_replace(());
    }

    /// Waits until another connection is needed.
    pub(crate) async fn crowded(&self) {
        self.crowded.notified().await;
    }

    /// It has said that it is shutting down.
    pub(crate) fn drains(&self) {
        self.draining.set();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_set()
    }

    /// Waits until it has said that it is shutting down.
    pub(super) async fn draining(&self) {
        self.draining.wait().await;
    }

    /// Whether it takes pipes.
    pub(crate) fn is_open(&self) -> bool {
        self.sessions.are_open()
    }

    /// The number of pipes that are open through it.
    pub(crate) fn pipes(&self) -> usize {
        self.sessions.all().iter().map(Session::streams).sum()
    }

    /// Opens a pipe through one of its tunnels of `cluster`.
    pub(super) async fn open(
        &self,
        target: &Target,
        cluster: &ClusterName,
        charge: &Charge,
    ) -> Result<Stream, OpenError> {
        let passed = passed(target, cluster);
        let mut grown = self.grown.subscribe();
        let opened = self.sessions.open_charged(&passed, charge).await;
        if !self.has_room_for_more() {
            self.crowded.notify_one();
        }
        let opened = if matches!(opened, Err(OpenError::Budget)) && !self.sessions.have_room() {
            // If no other connection is there in time, the error is returned.
            let _ = timeout(GROWTH_DEADLINE, grown.changed()).await;
            self.sessions.open_charged(&passed, charge).await
        } else {
            opened
        };
        self.passed.inc_by(u64::from(opened.is_ok()));
        opened
    }

    fn has_room_for_more(&self) -> bool {
        let sessions = self.sessions.all();
        sessions
            .iter()
            .any(|session| session.streams() < NEARLY_FULL)
    }
}

/// The separator between the target's host and the cluster's name. Neither can contain it.
const SEPARATOR: char = '_';

/// The target in a cluster, as one replica names it to another (protocol.md §10).
fn passed(target: &Target, cluster: &ClusterName) -> Target {
    let (host, port) = (target.host(), target.port());
    let text = format!("{host}{SEPARATOR}{cluster}:{port}");
    text.parse()
        .expect("a host, a name and a port are a target")
}

/// The cluster, and the target in it, that another replica names.
pub(crate) fn parse_passed(passed: &Target) -> Option<(ClusterName, Target)> {
    let (host, cluster) = passed.host().rsplit_once(SEPARATOR)?;
    let target = format!("{host}:{}", passed.port()).parse().ok()?;
    Some((cluster.parse().ok()?, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_a_cluster_reads_back_and_nothing_else_is_one() {
        let cluster: ClusterName = "managed1".parse().unwrap();
        for text in ["kubernetes.default.svc:443", "10.0.0.1:80"] {
            let target: Target = text.parse().unwrap();
            let read = parse_passed(&passed(&target, &cluster));
            assert_eq!(read, Some((cluster.clone(), target)));
        }
        for text in [
            "kubernetes.default.svc:443",
            "_:1",
            "a_:1",
            "_a:1",
            "[::1]:1",
        ] {
            assert_eq!(parse_passed(&text.parse().unwrap()), None, "{text}");
        }
    }
}
