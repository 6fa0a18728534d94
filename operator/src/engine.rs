//! The driver: brings changes, answers and time to what is observed, plans what they concern, and lets
//! a bounded number of plans be carried out at once. Whoever does not lead plans, and writes nothing.

use std::{collections::BTreeMap, time::Duration};

use crds::gateway::ServerDeployment;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher::Event;
use runtime::readiness::Condition;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    access,
    apply::{Hands, Outcome, Refusal},
    enrolment,
    events::Notes,
    hub,
    kind::{Kind, ObjectKey},
    observed::{Fault, Observed, ServerSeen, Site},
    plan::Plan,
    probe::{Answer, Target},
    queue::{Key, Queue},
    status,
    watch::{self as watches, Change, Changes},
};

/// Plans that are carried out at once.
const AT_ONCE: usize = 32;
/// The status says how all clusters are, so it waits for more to say.
const STATUS_PAUSE: Duration = Duration::from_millis(500);
/// So does a grant's, not as long: its subjects wait for it.
const GRANT_PAUSE: Duration = Duration::from_millis(100);
/// Clocks are set now and then; no sleep is longer than that.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);
/// What is under way when the process is told to stop gets that long.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// The driver.
pub(crate) struct Engine {
    observed: Observed,
    hands: Hands,
    wires: Wires,
    clock: fn() -> Timestamp,
    queue: Queue,
    /// What was last said about kinds that cannot be watched.
    unwatched: BTreeMap<Kind, String>,
}

/// What ties it to the rest of the process.
pub(crate) struct Wires {
    pub(crate) notes: Notes,
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) answers: mpsc::Receiver<Answer>,
    /// The server that is to be asked.
    pub(crate) target: watch::Sender<Option<Target>>,
    /// Whether every kind was listed.
    pub(crate) observing: Condition,
}

type Done = (Key, Option<Timestamp>, Vec<Outcome>, Option<Refusal>);

impl Engine {
    pub(crate) fn new(site: Site, hands: Hands, wires: Wires, clock: fn() -> Timestamp) -> Self {
        Self {
            observed: Observed::new(site),
            hands,
            wires,
            clock,
            queue: Queue::default(),
            unwatched: BTreeMap::new(),
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut calls = JoinSet::new();
        let mut server = self.server_namespace();
        let mut changes = self.watch(&server);
        let mut leads = self.wires.leads.clone();
        loop {
            let wanted = self.server_namespace();
            if wanted != server {
                info!(
                    namespace = wanted,
                    "the gateway's server is to be there; watching anew"
                );
                self.observed.leave_server();
                changes = self.watch(&wanted);
                server = wanted;
            }
            self.begin(&mut calls);
            let pause = self.pause();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(change) = changes.next() => self.observe(change),
                Some(answer) = self.wires.answers.recv() => self.hear(answer),
                Some(Ok(done)) = calls.join_next() => self.finish(done),
                Ok(()) = leads.changed() => {
                    if !*leads.borrow_and_update() {
                        calls.shutdown().await;
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

    fn watch(&self, server: &str) -> Changes {
        let Hands { client, addons, .. } = &self.hands;
        watches::all(client, *addons, server)
    }

    /// The operator's own until it is told another: there it has the rights.
    fn server_namespace(&self) -> String {
        let configuration = self.observed.configuration();
        configuration.map_or_else(
            || self.observed.site.namespace.clone(),
            |it| it.spec.server.namespace.clone(),
        )
    }

    /// Plans what is due, and lets it be carried out.
    fn begin(&mut self, calls: &mut JoinSet<Done>) {
        if !self.observed.is_complete() || self.observed.unreadable().is_some() {
            return;
        }
        while calls.len() < AT_ONCE {
            let now = (self.clock)();
            let Some(key) = self.queue.next(now) else {
                return;
            };
            let Plan {
                actions,
                notes,
                wake,
            } = self.plan(&key, now);
            if !*self.wires.leads.borrow() {
                self.queue.done(&key, wake);
                continue;
            }
            self.wires.notes.tell(&key, notes, now);
            if actions.is_empty() {
                self.queue.done(&key, wake);
                self.clear_fault(&key, now);
                continue;
            }
            debug!(?key, count = actions.len(), "writing");
            let hands = self.hands.clone();
            calls.spawn(async move {
                let (outcomes, refusal) = hands.perform(&actions).await;
                (key, wake, outcomes, refusal)
            });
        }
    }

    fn plan(&self, key: &Key, now: Timestamp) -> Plan {
        match key {
            Key::Hub => hub::plan(&self.observed, now),
            Key::Cluster(cluster) => enrolment::plan(&self.observed, cluster, now),
            Key::Access(cluster) => access::plan(&self.observed, cluster, now),
            Key::Grant(name) => access::plan_grant(&self.observed, name, now),
            Key::Status => status::plan(&self.observed, now),
        }
    }

    fn pause(&self) -> Duration {
        let Some(due) = self.queue.next_due() else {
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
                        fault, "cannot be watched; what is known stays in use"
                    );
                    self.unwatched.insert(kind, fault);
                }
            }
            Change::Object(kind, event) => {
                if !matches!(*event, Event::Init) {
                    self.unwatched.remove(&kind);
                }
                let was_complete = self.observed.is_complete();
                for key in self.observed.observe(kind, *event) {
                    self.touch(&key);
                }
                if !was_complete && self.observed.is_complete() {
                    self.wires.observing.set(true);
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
                    (Ok(()), _) => ServerSeen::Ready,
                    (Err(why), ServerSeen::Unready { since, .. }) => {
                        let since = *since;
                        ServerSeen::Unready { why, since }
                    }
                    (Err(why), _) => ServerSeen::Unready { why, since: now },
                };
                if seen != self.observed.server {
                    self.observed.server = seen;
                    self.queue.touch(Key::Hub, now);
                    self.queue.touch(Key::Status, now);
                }
            }
            Answer::Clusters(seen) => {
                if self.observed.gateways.as_ref() != Some(&seen) {
                    self.observed.gateways = Some(seen);
                    self.queue.touch(Key::Status, now);
                }
            }
        }
    }

    fn finish(&mut self, (key, wake, outcomes, refusal): Done) {
        let now = (self.clock)();
        for outcome in outcomes {
            let touched = match outcome {
                Outcome::Is(kind, object) => Some(self.observed.put(kind, *object)),
                Outcome::Gone(gone) => {
                    self.observed.forget(&gone);
                    Some(gone)
                }
                Outcome::Unknown => None,
            };
            if let Some(touched) = touched {
                self.touch(&touched);
            }
        }
        match refusal {
            None => self.queue.done(&key, wake),
            Some(refusal) => self.fail(&key, refusal, now),
        }
    }

    fn fail(&mut self, key: &Key, refusal: Refusal, now: Timestamp) {
        self.queue.failed(key, refusal.retry_after, now);
        let Refusal {
            reason, message, ..
        } = refusal;
        // A state that was seen is no longer the last: the watch brings the next.
        if reason == "Conflict" {
            return;
        }
        let before = self.observed.faults.get(key);
        if before.is_none_or(|fault| fault.message != message) {
            warn!(?key, reason, "{message}");
        }
        let since = before.map_or(now, |fault| fault.since);
        let fault = Fault {
            reason,
            message,
            since,
        };
        self.observed.faults.insert(key.clone(), fault);
        self.touch_fault(key, now);
    }

    fn clear_fault(&mut self, key: &Key, now: Timestamp) {
        if self.observed.faults.remove(key).is_some() {
            self.touch_fault(key, now);
        }
    }

    /// Whoever tells of faults of that key is to look again.
    fn touch_fault(&mut self, key: &Key, now: Timestamp) {
        self.touch_status(now);
        if let Key::Access(cluster) = key {
            self.touch_grants_of(cluster, now);
        }
    }

    /// What an object concerns is to be planned.
    fn touch(&mut self, key: &ObjectKey) {
        let now = (self.clock)();
        match key.kind {
            Kind::GatewayConfiguration => {
                self.aim();
                self.touch_all();
                return;
            }
            Kind::ClusterManagementAddOn
            | Kind::PlacementDecision
            | Kind::ManagedClusterSet
            | Kind::ManagedClusterSetBinding => {
                self.touch_all();
                return;
            }
            Kind::AccessGrant => {
                for cluster in access::clusters_of(&self.observed, &key.name) {
                    self.queue.touch(Key::Access(cluster), now);
                }
                self.queue.touch(Key::Grant(key.name.clone()), now);
                return;
            }
            Kind::AddOnDeploymentConfig => self.touch_clusters(now),
            Kind::ManagedCluster => {
                self.queue.touch(Key::Cluster(key.name.clone()), now);
                self.queue.touch(Key::Access(key.name.clone()), now);
                self.touch_grants_of(&key.name, now);
            }
            Kind::ManagedClusterAddOn
            | Kind::ManifestWork
            | Kind::ManagedServiceAccount
            | Kind::CertificateSigningRequest
            | Kind::RoleBinding => {
                if key.kind == Kind::RoleBinding {
                    self.queue.touch(Key::Hub, now);
                }
                if access::is_access_work(key) || key.kind == Kind::ManagedClusterAddOn {
                    self.queue.touch(Key::Access(key.namespace.clone()), now);
                    self.touch_grants_of(&key.namespace, now);
                }
                self.queue.touch(Key::Cluster(key.namespace.clone()), now);
                if self
                    .observed
                    .configuration()
                    .is_none_or(|it| it.is_deleting)
                {
                    self.queue.touch(Key::Hub, now);
                }
            }
            Kind::AdmissionPolicy | Kind::AdmissionPolicyBinding => {}
            Kind::ClusterRole
            | Kind::ApiService
            | Kind::Namespace
            | Kind::ServiceAccount
            | Kind::Role
            | Kind::Deployment
            | Kind::PodDisruptionBudget
            | Kind::EndpointSlice => self.queue.touch(Key::Hub, now),
            // Agents are told where the gateway is, and verify and sign by what is kept there.
            Kind::Secret | Kind::Service => {
                self.queue.touch(Key::Hub, now);
                self.touch_clusters(now);
            }
            Kind::ClusterRoleBinding => {
                self.queue.touch(Key::Hub, now);
                if let Some((_, cluster)) = key.name.split_once(':') {
                    self.queue.touch(Key::Cluster(cluster.to_owned()), now);
                }
            }
        }
        self.touch_status(now);
    }

    /// The status of what is granted on a cluster, which waits for more to say.
    fn touch_grants_of(&mut self, cluster: &str, now: Timestamp) {
        let pause = SignedDuration::try_from(GRANT_PAUSE).unwrap_or_default();
        let soon = now.checked_add(pause).unwrap_or(now);
        for grant in access::grants_of(&self.observed, cluster) {
            self.queue.touch(Key::Grant(grant), soon);
        }
    }

    fn touch_all(&mut self) {
        let now = (self.clock)();
        self.queue.touch(Key::Hub, now);
        self.touch_clusters(now);
        self.touch_status(now);
    }

    fn touch_clusters(&mut self, now: Timestamp) {
        for cluster in self.observed.clusters() {
            self.queue.touch(Key::Cluster(cluster.to_owned()), now);
            self.queue.touch(Key::Access(cluster.to_owned()), now);
        }
        for grant in self.observed.grants.keys() {
            self.queue.touch(Key::Grant(grant.clone()), now);
        }
    }

    fn touch_status(&mut self, now: Timestamp) {
        self.queue.touch(Key::Status, now + STATUS_PAUSE);
    }

    /// Tells the probe which server to ask.
    fn aim(&mut self) {
        if let Some(fault) = self.observed.unreadable() {
            warn!(
                fault,
                "the GatewayConfiguration cannot be read; everything stays as it is"
            );
            return;
        }
        let configuration = self.observed.configuration();
        let target = configuration.and_then(|configuration| {
            let server = &configuration.spec.server;
            let external = server.external.as_ref()?;
            (server.deployment == ServerDeployment::External).then(|| Target {
                namespace: server.namespace.clone(),
                server: external.clone(),
            })
        });
        let changed = self.wires.target.send_if_modified(|known| {
            let changed = *known != target;
            *known = target;
            changed
        });
        if changed {
            self.observed.server = ServerSeen::Unknown;
        }
    }
}
