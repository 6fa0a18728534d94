//! The driver: it feeds changes, answers and time into the observed state, plans the keys that they
//! concern, and carries out a bounded number of plans at once. A process that is not the leader
//! plans but writes nothing.

mod concern;
mod contest;
mod ended;
mod queue;
#[cfg(test)]
mod tests;
mod touched;

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher::Event;
use runtime::readiness::Condition;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::{
    contest::{Contests, Wait},
    ended::Done,
    queue::{Queue, Room},
    touched::Revision,
};
use crate::{
    apply::{Hands, events::Notes},
    key::Key,
    kind::Kind,
    metrics::{Ended, Metrics},
    observe::{
        probe::{Answer, Target},
        watch::{self as watches, Change, Changes},
    },
    observed::{Installation, Observed, ServerSeen},
    plan::{self, Plan},
};

/// How many plans are carried out at once.
const AT_ONCE: usize = 32;
/// How many more plans are carried out for keys that belong to no cluster, so that slow clusters do
/// not delay them.
const BESIDE: usize = 8;
const MOST_AT_ONCE: usize = AT_ONCE + BESIDE;
/// The hub is planned at least this often, even if nothing has changed.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// The configuration's status summarizes all clusters, so it waits to include more changes.
const STATUS_PAUSE: Duration = Duration::from_millis(500);
/// A grant's status waits too, but not as long, because the grant's subjects wait for it.
const GRANT_PAUSE: Duration = Duration::from_millis(100);
/// A process that has just started does not write the status before the gateway has answered, but
/// waits no longer than this.
const INFORMED_WITHIN: SignedDuration = SignedDuration::from_secs(6);
/// No sleep is longer than this, because clocks are set now and then.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);
/// How long work in progress may take after the process was told to stop.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// The driver.
pub(crate) struct Engine {
    observed: Observed,
    hands: Hands,
    wires: Wires,
    clock: fn() -> Timestamp,
    queue: Queue,
    metrics: Metrics,
    contests: Contests,
    /// From this time on the status is written, even if the gateway was not asked yet.
    informed_by: Timestamp,
    /// The configuration that all clusters were last planned for.
    configured: Revision,
    /// The grants that clusters were last planned for.
    granted: BTreeMap<String, Revision>,
    /// The last logged fault of each kind that cannot be watched.
    unwatched: BTreeMap<Kind, String>,
}

/// What connects the engine to the rest of the process.
pub(crate) struct Wires {
    pub(crate) notes: Notes,
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) answers: mpsc::Receiver<Answer>,
    /// The server that the probe asks.
    pub(crate) target: watch::Sender<Option<Target>>,
    /// Whether every kind was listed.
    pub(crate) observing: Condition,
}

impl Engine {
    pub(crate) fn new(
        installation: Installation,
        hands: Hands,
        wires: Wires,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            observed: Observed::new(installation),
            metrics: hands.metrics.clone(),
            hands,
            wires,
            clock,
            queue: Queue::default(),
            contests: Contests::default(),
            informed_by: Timestamp::MAX,
            configured: Revision::default(),
            granted: BTreeMap::new(),
            unwatched: BTreeMap::new(),
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut calls = JoinSet::new();
        let mut changes = self.watch();
        let mut leads = self.wires.leads.clone();
        loop {
            let home = self.observed.next_home();
            if home != self.observed.home() {
                info!(
                    namespace = home,
                    "the namespace of the gateway server has changed; restarting the watches"
                );
                self.observed.leave_server(home);
                changes = self.watch();
            }
            self.begin(&mut calls);
            let pause = self.pause(calls.len());
            tokio::select! {
                () = stop.cancelled() => break,
                Some(change) = changes.next() => self.observe(change),
                Some(answer) = self.wires.answers.recv() => self.hear(answer),
                Some(Ok(done)) = calls.join_next() => self.finish(done),
                Ok(()) = leads.changed() => {
                    let leads = *leads.borrow_and_update();
                    self.metrics.leads(leads);
                    if !leads {
                        calls.shutdown().await;
                        self.observed.tombstones.end_all();
                        self.queue = Queue::default();
                    }
                    self.touch_all();
                }
                () = sleep(pause) => {}
            }
        }
        let last = async { while calls.join_next().await.is_some() {} };
        let _ = timeout(LAST_CALLS, last).await;
    }

    fn watch(&self) -> Changes {
        let Hands { client, addons, .. } = &self.hands;
        watches::all(client, *addons, self.observed.home())
    }

    /// Plans the keys that are due, and starts to carry the plans out.
    fn begin(&mut self, calls: &mut JoinSet<Done>) {
        let now = (self.clock)();
        while let Some(room) = self.room(calls.len())
            && let Some(key) = self.queue.next(room, now)
        {
            self.reconcile(key, now, calls);
        }
        let depth = i64::try_from(self.queue.depth());
        self.metrics.queued.set(depth.unwrap_or(i64::MAX));
    }

    /// Which keys may start while so many plans are carried out. What cannot be understood changes
    /// nothing, so while the configuration is unreadable only its status is planned, which says so.
    fn room(&self, running: usize) -> Option<Room> {
        if !self.observed.is_complete() {
            return None;
        }
        match running {
            ..MOST_AT_ONCE if self.observed.unreadable().is_some() => Some(Room::Status),
            ..AT_ONCE => Some(Room::Any),
            AT_ONCE..MOST_AT_ONCE => Some(Room::OfAll),
            _ => None,
        }
    }

    fn reconcile(&mut self, key: Key, now: Timestamp, calls: &mut JoinSet<Done>) {
        if key == Key::Status && !self.is_informed(now) {
            self.queue.done(&key, Some(self.informed_by));
            return;
        }
        let begun = Instant::now();
        let Plan {
            mut actions,
            notes,
            wake,
        } = plan::by_key(&self.observed, &key, now);
        if !*self.wires.leads.borrow() {
            self.queue.done(&key, wake);
            return;
        }
        self.wires.notes.tell(&key, notes, now);
        let wake = if key == Key::Hub {
            wake.into_iter().chain([now + LOOK_AGAIN]).min()
        } else {
            wake
        };
        if actions.is_empty() {
            self.settled(&key, wake, begun.elapsed(), now);
            return;
        }
        if let Some(Wait { place, until }) = self.contests.waits(&actions, now) {
            self.contested(&key, &actions[place], now);
            actions.truncate(place);
            if actions.is_empty() {
                let wake = wake.map_or(until, |wake| wake.min(until));
                let took = begun.elapsed();
                self.metrics.reconciled(&key, Ended::Contested, took, now);
                self.queue.done(&key, Some(wake));
                return;
            }
        }
        debug!(?key, count = actions.len(), "writing");
        let disputed = self.contests.note(&key, &actions, &self.observed, now);
        self.observed.dispute(disputed);
        let hands = self.hands.clone();
        let call = self.observed.tombstones.begin();
        calls.spawn(async move {
            let (outcomes, error) = hands.perform(&actions).await;
            Done {
                key,
                call,
                begun,
                wake,
                actions,
                outcomes,
                error,
            }
        });
    }

    /// False for a moment after the start, while the status that another process wrote is the
    /// better one.
    fn is_informed(&self, now: Timestamp) -> bool {
        let is_asked =
            self.wires.target.borrow().is_none() || self.observed.server != ServerSeen::Unknown;
        is_asked && self.observed.gateways.is_some() || self.informed_by <= now
    }

    /// How long to sleep while so many plans are carried out, if nothing happens. A key that is due
    /// but may not start waits for something to happen.
    fn pause(&self, running: usize) -> Duration {
        let room = self.room(running);
        let Some(due) = room.and_then(|room| self.queue.next_due(room)) else {
            return LONGEST_SLEEP;
        };
        let left = due.duration_since((self.clock)());
        // A timer may fire a moment early.
        let left = Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1);
        left.min(LONGEST_SLEEP)
    }

    fn observe(&mut self, change: Change) {
        match change {
            Change::Fault(kind, fault) => {
                if self.unwatched.get(&kind) != Some(&fault) {
                    warn!(
                        kind = kind.as_str(),
                        fault, "cannot watch this kind; the last known objects stay in use"
                    );
                    self.unwatched.insert(kind, fault);
                }
            }
            Change::Object(kind, event) => {
                if !matches!(*event, Event::Init) {
                    self.unwatched.remove(&kind);
                }
                let was_complete = self.observed.is_complete();
                let now = (self.clock)();
                for key in self.observed.observe(kind, *event, now) {
                    self.touch_changed(&key);
                }
                if !was_complete && self.observed.is_complete() {
                    self.wires.observing.set(true);
                    self.informed_by = self.informed_by.min(now + INFORMED_WITHIN);
                    self.aim();
                    self.touch_all();
                }
            }
        }
    }

    fn hear(&mut self, answer: Answer) {
        let now = (self.clock)();
        match answer {
            Answer::Server(answer) => {
                let seen = match (answer, &self.observed.server) {
                    (Ok(settings), _) => ServerSeen::Ready(settings),
                    (Err(why), ServerSeen::Unready { since, .. }) => {
                        let since = *since;
                        ServerSeen::Unready { why, since }
                    }
                    (Err(why), _) => ServerSeen::Unready { why, since: now },
                };
                if seen != self.observed.server {
                    self.observed.server = seen;
                    self.queue.touch(&Key::Hub, now);
                    self.queue.touch(&Key::Status, now);
                    // Whether grants have an effect depends on the server.
                    for name in self.observed.grants.keys() {
                        self.queue.touch(&Key::Grant(name.clone()), now);
                    }
                }
            }
            Answer::Clusters(seen) => {
                if self.observed.gateways.as_ref() != Some(&seen) {
                    self.observed.gateways = Some(seen);
                    self.queue.touch(&Key::Status, now);
                }
            }
        }
    }
}
