//! An operator that is far from its hub: watches report late, break and are listed anew, and the
//! writes of a plan are made one by one and answered later, while everything else goes on.

use std::collections::{BTreeMap, VecDeque};

use kube::{core::DynamicObject, runtime::watcher::Event};
use serde_json::Value;

use super::Hub;
use crate::{
    apply::Outcome,
    key::Key,
    kind::{Kind, ObjectKey},
    observed::{CallId, Observed},
    plan::{self, Action, Desired, Seen},
};

/// What is under way from a watch.
#[derive(Debug)]
enum Watch {
    Runs(VecDeque<Event<DynamicObject>>),
    /// It broke, and was not started again.
    Broken,
}

/// A plan that is being carried out.
#[derive(Debug)]
struct Call {
    key: Key,
    id: CallId,
    actions: VecDeque<Action>,
    outcomes: Vec<Outcome>,
}

/// A hub, and the operator that sees it late.
pub(crate) struct Delayed {
    /// The hub as it is.
    pub(crate) hub: Hub,
    /// What the operator knows.
    pub(crate) seen: Observed,
    watches: BTreeMap<Kind, Watch>,
    calls: Vec<Call>,
}

/// A write that was not made, because the object has another state.
struct Conflict;

impl Delayed {
    pub(crate) fn new(hub: Hub) -> Self {
        let mut seen = Observed::new(hub.observed.installation.clone());
        seen.server = hub.observed.server.clone();
        let broken = |kind: &Kind| (*kind, Watch::Broken);
        let mut delayed = Self {
            hub,
            seen,
            watches: Kind::ALL.iter().map(broken).collect(),
            calls: Vec::new(),
        };
        delayed.catch_up();
        delayed
    }

    /// Changes the hub, and lets the watches notice.
    pub(crate) fn on_hub<T>(&mut self, change: impl FnOnce(&mut Hub) -> T) -> T {
        let before = self.hub.observed.clone();
        let result = change(&mut self.hub);
        let after = &self.hub.observed;
        for kind in Kind::ALL {
            let Some(Watch::Runs(events)) = self.watches.get_mut(kind) else {
                continue;
            };
            for (key, object) in before.all(*kind) {
                let left = after.object(key).and_then(|it| it.metadata.uid.as_ref());
                if left != object.metadata.uid.as_ref() {
                    events.push_back(Event::Delete(self.hub.raw(key, object)));
                }
            }
            for (key, object) in after.all(*kind) {
                let version = |it: &DynamicObject| it.metadata.resource_version.clone();
                if before.object(key).map(version) != Some(version(object)) {
                    events.push_back(Event::Apply(self.hub.raw(key, object)));
                }
            }
        }
        // What the gateway says comes another way.
        self.seen.server = self.hub.observed.server.clone();
        self.seen.gateways = self.hub.observed.gateways.clone();
        result
    }

    /// The next event of a watch arrives. False if there is none.
    pub(crate) fn deliver(&mut self, kind: Kind) -> bool {
        let Some(Watch::Runs(events)) = self.watches.get_mut(&kind) else {
            return false;
        };
        let Some(event) = events.pop_front() else {
            return false;
        };
        self.seen.observe(kind, event, self.hub.now);
        true
    }

    /// The kinds of which something is under way.
    pub(crate) fn waiting(&self) -> Vec<Kind> {
        let waits = |watch: &Watch| matches!(watch, Watch::Runs(events) if !events.is_empty());
        let waiting = self.watches.iter().filter(|(_, watch)| waits(watch));
        waiting.map(|(kind, _)| *kind).collect()
    }

    /// The kinds that are not watched.
    pub(crate) fn broken(&self) -> Vec<Kind> {
        let is_broken = |watch: &Watch| matches!(watch, Watch::Broken);
        let broken = self.watches.iter().filter(|(_, watch)| is_broken(watch));
        broken.map(|(kind, _)| *kind).collect()
    }

    pub(crate) fn break_watch(&mut self, kind: Kind) {
        self.watches.insert(kind, Watch::Broken);
    }

    /// A watch that broke is started again with a list, which arrives event by event.
    pub(crate) fn start_watch(&mut self, kind: Kind) {
        if !matches!(self.watches[&kind], Watch::Broken) {
            return;
        }
        let all = self.hub.observed.all(kind);
        let all = all.map(|(key, object)| Event::InitApply(self.hub.raw(key, object)));
        let events = std::iter::once(Event::Init).chain(all);
        let events = events.chain([Event::InitDone]).collect();
        self.watches.insert(kind, Watch::Runs(events));
    }

    /// The process ends with its calls, whose writes may have been made, and another one starts and lists
    /// everything.
    pub(crate) fn restart(&mut self) {
        let (server, gateways) = (self.seen.server.clone(), self.seen.gateways.clone());
        self.seen = Observed::new(self.hub.observed.installation.clone());
        self.seen.server = server;
        self.seen.gateways = gateways;
        self.calls.clear();
        for kind in Kind::ALL {
            self.break_watch(*kind);
        }
        self.catch_up();
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        super::keys(&self.seen)
    }

    /// Plans a key, unless its last plan is being carried out. True if there is something to write.
    pub(crate) fn plan(&mut self, key: &Key) -> bool {
        let is_busy = self.calls.iter().any(|call| call.key == *key);
        if is_busy || !self.seen.is_complete() || self.seen.unreadable().is_some() {
            return false;
        }
        let actions = plan::by_key(&self.seen, key, self.hub.now).actions;
        if actions.is_empty() {
            return false;
        }
        self.calls.push(Call {
            key: key.clone(),
            id: self.seen.tombstones.begin(),
            actions: actions.into(),
            outcomes: Vec::new(),
        });
        true
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Makes the next write of a call. False if there is none left.
    pub(crate) fn write(&mut self, call: usize) -> bool {
        let Some(action) = self.calls[call].actions.pop_front() else {
            return false;
        };
        let outcome = self.on_hub(|hub| hub.try_act(&action));
        let call = &mut self.calls[call];
        let is_deletion = matches!(action, Action::Delete { .. });
        match outcome {
            Ok(outcome) => {
                // As `Hands::perform` does.
                if matches!(outcome, Outcome::Gone { .. }) && !is_deletion {
                    call.actions.clear();
                }
                call.outcomes.push(outcome);
            }
            Err(Conflict) => call.actions.clear(),
        }
        true
    }

    /// The answers of a call arrive.
    pub(crate) fn answer(&mut self, call: usize) {
        while self.write(call) {}
        let Call { id, outcomes, .. } = self.calls.remove(call);
        for outcome in outcomes {
            match outcome {
                Outcome::Is(kind, object) => {
                    self.seen.answer(kind, *object, self.hub.now);
                }
                Outcome::Gone { key, uid } => {
                    self.seen.ended(&key, &uid, self.hub.now);
                }
                Outcome::Unknown => {}
            }
        }
        self.seen.tombstones.end(id);
    }

    /// Everything that is under way arrives.
    pub(crate) fn catch_up(&mut self) {
        while self.calls() > 0 {
            self.answer(0);
        }
        for kind in Kind::ALL {
            self.start_watch(*kind);
            while self.deliver(*kind) {}
        }
    }

    /// Goes on until nothing is left to do, while everybody else acts too.
    pub(crate) fn settle(&mut self) {
        for _ in 0..60 {
            self.catch_up();
            let mut is_busy = false;
            for key in self.keys() {
                is_busy |= self.plan(&key);
                self.catch_up();
            }
            is_busy |= self.on_hub(Hub::others_act);
            if !is_busy {
                return;
            }
        }
        let keys = self.keys();
        let plans = keys
            .iter()
            .map(|key| plan::by_key(&self.seen, key, self.hub.now).actions);
        panic!("does not settle: {:?}", plans.collect::<Vec<_>>());
    }

    /// The objects of which the operator knows another state than the hub has.
    pub(crate) fn differences(&self) -> Vec<String> {
        let all = |observed: &Observed| {
            let objects = Kind::ALL.iter().flat_map(|kind| observed.all(*kind));
            let versions = objects.map(|(key, object)| {
                let version = object.metadata.resource_version.clone();
                format!("{key} {version:?}")
            });
            versions.collect::<std::collections::BTreeSet<_>>()
        };
        let (known, there) = (all(&self.seen), all(&self.hub.observed));
        known.symmetric_difference(&there).cloned().collect()
    }
}

impl Hub {
    /// An object as the API server sends it, as far as the operator reads it.
    fn raw(&self, key: &ObjectKey, object: &DynamicObject) -> DynamicObject {
        let mut raw = self.whole(key, object);
        if let Some(reported) = self.reported.get(key) {
            raw["status"]["resourceStatus"] = reported.clone();
        }
        if key.kind == Kind::Namespace && !object.data["madeFor"].is_null() {
            raw["metadata"]["managedFields"] = super::managers_of_namespace();
        }
        serde_json::from_value(raw).unwrap()
    }

    /// Makes a write as an API server does, which may find another state than was planned for.
    fn try_act(&mut self, action: &Action) -> Result<Outcome, Conflict> {
        let seen = match action {
            Action::ApplyStatus(desired) => desired.of.clone(),
            Action::Patch { object, .. } => Some(object.clone()),
            Action::Approve { request, .. } | Action::Sign { request, .. } => Some(request.clone()),
            Action::Apply(_) | Action::Issue { .. } => None,
            Action::Delete { key, uid } => return self.try_delete(key, uid),
        };
        if let Some(Seen { key, uid, .. }) = &seen
            && self.observed.object(key).is_none()
        {
            return Ok(Outcome::Gone {
                key: key.clone(),
                uid: uid.clone(),
            });
        }
        let version = match action {
            Action::Apply(desired) | Action::ApplyStatus(desired) => version_of(desired),
            _ => seen.map(|it| it.resource_version),
        };
        let key = action.object().clone();
        let has = self.observed.object(&key);
        let has = has.and_then(|it| it.metadata.resource_version.clone());
        if version.is_some_and(|version| has != Some(version)) {
            return Err(Conflict);
        }
        self.act(action);
        Ok(match self.observed.object(&key) {
            Some(object) => Outcome::Is(key.kind, Box::new(self.raw(&key, object))),
            None => Outcome::Unknown,
        })
    }

    fn try_delete(&mut self, key: &ObjectKey, uid: &str) -> Result<Outcome, Conflict> {
        let gone = Outcome::Gone {
            key: key.clone(),
            uid: uid.to_owned(),
        };
        let Some(object) = self.observed.object(key) else {
            return Ok(gone);
        };
        if object.metadata.uid.as_deref() != Some(uid) {
            return Err(Conflict);
        }
        if object.metadata.deletion_timestamp.is_none() {
            self.delete(key, uid);
        }
        Ok(match self.observed.object(key) {
            Some(object) => Outcome::Is(key.kind, Box::new(self.raw(key, object))),
            None => gone,
        })
    }
}

/// The version that the write is for.
fn version_of(desired: &Desired) -> Option<String> {
    let manifest: Value = desired.manifest(crds::addon::Version::V1beta1);
    let version = manifest["metadata"]["resourceVersion"].as_str();
    version.map(str::to_owned)
}
