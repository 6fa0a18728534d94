//! All accounts of the cluster: what is known of each, which are due, and when the others will be.
//! No I/O and no clock; the driver brings changes, the time, and the outcomes of work.

mod queue;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use kube::{ResourceExt as _, runtime::watcher::Event};

use self::queue::{Line, Queue};
use super::{
    apply::Work,
    kind::{ByKind, Kind},
    objects::{Account, Secret, ServiceAccount, Version},
    outcome::Outcome,
    plan::{Plan, RETIRED_FOR, plan, retirement_of},
    seen::{Memory, Observed, Seen, Site, Step, after},
    watch::Change,
};

/// All accounts of the cluster.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) site: Site,
    entries: BTreeMap<String, Entry>,
    queue: Queue,
    /// The number of the list of each kind that is being read, or was read last.
    lists: ByKind<u64>,
}

#[derive(Debug, Default)]
struct Entry {
    seen: Seen,
    /// Whether a call is in progress.
    busy: bool,
    /// The list in which each object was seen last. An object that only an older list had is gone.
    lists: ByKind<u64>,
    /// The UIDs of objects that were seen to be deleted last, so that a late answer does not bring
    /// them back.
    gone: ByKind<String>,
}

/// The outcome of a call, for logs, Events and metrics.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) before: Seen,
    pub(crate) after: &'a Seen,
    /// Whether it failed for another reason than before.
    pub(crate) is_new_failure: bool,
}

impl Fleet {
    pub(crate) fn new(site: Site) -> Self {
        Self {
            site,
            entries: BTreeMap::new(),
            queue: Queue::default(),
            lists: ByKind::default(),
        }
    }

    /// The state of every name.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.entries.values().map(|entry| &entry.seen)
    }

    /// Queues all names, because something that they share has changed.
    pub(crate) fn touch_all(&mut self) {
        for (name, entry) in &self.entries {
            self.queue.touch(name, line_of(&entry.seen));
        }
    }

    /// Takes in what a watch reported.
    pub(crate) fn observe(&mut self, change: Change, now: Timestamp) {
        if change.is_answer() {
            self.set_fault(change.kind(), None);
        }
        match change {
            Change::Accounts(event) => {
                let read = |object: kube::core::DynamicObject| {
                    (object.name_any(), Object::Account(Account::read(object)))
                };
                self.take(Kind::Account, event, read);
            }
            Change::Secrets(event) => {
                let read = |object: k8s_openapi::api::core::v1::Secret| {
                    (
                        object.name_any(),
                        Object::Secret(Secret::read(&object, now)),
                    )
                };
                self.take(Kind::Secret, event, read);
            }
            Change::ServiceAccounts(event) => {
                let read = |object: k8s_openapi::api::core::v1::ServiceAccount| {
                    (
                        object.name_any(),
                        Object::ServiceAccount(ServiceAccount::read(&object)),
                    )
                };
                self.take(Kind::ServiceAccount, event, read);
                self.follow_retirement(now);
            }
            Change::Runs(_) => {}
            Change::Fault(kind, fault) => self.set_fault(kind, Some(fault)),
        }
    }

    /// What the watch of this kind fails with now.
    fn set_fault(&mut self, kind: Kind, fault: Option<String>) {
        if kind.is_of_spoke() && (fault.is_some() || self.site.spoke_fault.is_some()) {
            self.site.spoke_fault = fault;
            self.touch_all();
        }
    }

    /// The next work, if some waiting account needs any.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Work> {
        self.queue.wake(now);
        while let Some(name) = self.queue.pop() {
            let Some(entry) = self.entries.get_mut(&name) else {
                continue;
            };
            if entry.busy {
                continue;
            }
            let observed = Observed {
                site: &self.site,
                name: &name,
                seen: &entry.seen,
            };
            match plan(&observed, now) {
                Plan::Act(action) => {
                    entry.busy = true;
                    let account = entry.seen.account.clone();
                    return Some(Work {
                        name,
                        account,
                        action,
                    });
                }
                Plan::Wait(until) => {
                    if entry.seen.is_nothing() {
                        self.entries.remove(&name);
                    } else if let Some(until) = until {
                        self.queue.wait(&name, until);
                    }
                }
            }
        }
        None
    }

    /// When the next account is due if nothing happens before.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        self.queue.next_wake()
    }

    /// Takes in the outcome of some work.
    pub(crate) fn finish(
        &mut self,
        name: &str,
        step: Step,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<Report<'_>> {
        let lists = self.lists;
        let entry = self.entries.get_mut(name)?;
        entry.busy = false;
        let before = entry.seen.clone();
        let object = match &outcome {
            Outcome::Account(account) | Outcome::Status { account, .. } => {
                Some((Kind::Account, &account.version))
            }
            Outcome::Secret(secret) | Outcome::Written { secret, .. } => {
                Some((Kind::Secret, &secret.version))
            }
            Outcome::ServiceAccount(account) => Some((Kind::ServiceAccount, &account.version)),
            Outcome::AccountGone
            | Outcome::ServiceAccountGone
            | Outcome::Minted(_)
            | Outcome::SecretGone
            | Outcome::Reviewed { .. }
            | Outcome::Failed(_) => None,
        };
        let mut late = false;
        if let Some((kind, version)) = object {
            entry.lists[kind] = lists[kind];
            let newer = entry
                .seen
                .version(kind)
                .is_some_and(|known| !version.supersedes(known));
            late = version.uid == entry.gone[kind]
                || newer
                || (kind == Kind::Account && entry.seen.version(kind).is_none());
        }
        let is_new_failure = if late {
            entry.seen.memory.failures.remove(&step);
            false
        } else {
            entry.seen.learn(step, outcome, now)
        };
        let line = line_of(&entry.seen);
        match step {
            // After these steps the account goes to the end of its line, so that revoking one token
            // does not wait for the cleanup of another, and writing one does not wait for the
            // status of another.
            Step::DeleteServiceAccount | Step::WriteSecret => self.queue.touch(name, line),
            // An account in the middle of its steps continues first.
            Step::AddFinalizer
            | Step::CreateServiceAccount
            | Step::RequestToken
            | Step::ReviewToken
            | Step::WriteStatus
            | Step::DeleteAccount
            | Step::DeleteSecret
            | Step::RemoveFinalizer => self.queue.touch_first(name, line),
        }
        Some(Report {
            before,
            after: &entry.seen,
            is_new_failure,
        })
    }

    fn take<K>(&mut self, kind: Kind, event: Event<K>, read: impl Fn(K) -> (String, Object)) {
        match event {
            Event::Init => self.lists[kind] += 1,
            Event::InitApply(object) => {
                let (name, object) = read(object);
                self.apply(kind, &name, object);
            }
            Event::InitDone => self.end_list(kind),
            Event::Apply(object) => {
                let (name, object) = read(object);
                self.apply(kind, &name, object);
                let entry = self.entries.get(&name);
                let line = entry.map_or(Line::Ready, |entry| line_of(&entry.seen));
                self.queue.touch(&name, line);
            }
            Event::Delete(object) => {
                let (name, object) = read(object);
                if let Some(entry) = self.entries.get_mut(&name) {
                    entry.gone[kind].clone_from(&object.version().uid);
                    if entry
                        .seen
                        .version(kind)
                        .is_some_and(|known| known.uid == object.version().uid)
                    {
                        entry.seen.forget(kind);
                    }
                    self.queue.touch(&name, line_of(&entry.seen));
                }
            }
        }
    }

    fn apply(&mut self, kind: Kind, name: &str, object: Object) {
        let entry = self.entries.entry(name.to_owned()).or_default();
        entry.lists[kind] = self.lists[kind];
        let known = entry.seen.version(kind);
        if known.is_none_or(|known| object.version().supersedes(known)) {
            entry.seen.put(object);
        }
    }

    /// Removes what the list did not contain.
    fn end_list(&mut self, kind: Kind) {
        let current = self.lists[kind];
        for entry in self.entries.values_mut() {
            if entry.lists[kind] < current {
                entry.seen.forget(kind);
            }
            // The server answers again, so what failed there may be tried at once.
            let is_of_spoke = kind == Kind::ServiceAccount;
            entry
                .seen
                .memory
                .failures
                .retain(|step, _| step.is_of_spoke() != is_of_spoke);
        }
        match kind {
            Kind::Account => self.site.accounts_listed = true,
            Kind::Secret => self.site.secrets_listed = true,
            Kind::ServiceAccount => self.site.service_accounts_listed = true,
        }
        self.touch_all();
    }

    /// Obeys the mark of an uninstall for a limited time.
    fn follow_retirement(&mut self, now: Timestamp) {
        let mark = self
            .entries
            .get(&retirement_of(self.site.owner.as_ref()))
            .and_then(|entry| entry.seen.service_account.as_ref());
        let known = self.site.retired_until;
        let until = mark.map(|mark| {
            // The clock that ends the time sooner decides.
            let until = after(mark.created, RETIRED_FOR).min(after(now, RETIRED_FOR));
            known.map_or(until, |known| known.min(until))
        });
        if until != known {
            self.site.retired_until = until;
            self.touch_all();
        }
    }
}

/// An object of any kind.
enum Object {
    Account(Account),
    Secret(Secret),
    ServiceAccount(ServiceAccount),
}

impl Object {
    fn version(&self) -> &Version {
        match self {
            Self::Account(account) => &account.version,
            Self::Secret(secret) => &secret.version,
            Self::ServiceAccount(account) => &account.version,
        }
    }
}

impl Seen {
    fn version(&self, kind: Kind) -> Option<&Version> {
        match kind {
            Kind::Account => self.account.as_ref().map(|account| &account.version),
            Kind::Secret => self.secret.as_ref().map(|secret| &secret.version),
            Kind::ServiceAccount => self
                .service_account
                .as_ref()
                .map(|account| &account.version),
        }
    }

    fn put(&mut self, object: Object) {
        match object {
            Object::Account(account) => {
                let known = self.account.as_deref();
                if known.is_none_or(|known| known.version.uid != account.version.uid) {
                    self.memory = Memory::default();
                } else if known.is_some_and(|known| known.generation != account.generation) {
                    self.memory.failures.clear();
                }
                self.account = Some(Arc::new(account));
            }
            Object::Secret(secret) => {
                self.secret = Some(match &self.secret {
                    Some(known) => secret.after(known),
                    None => secret,
                });
            }
            Object::ServiceAccount(account) => self.service_account = Some(account),
        }
    }

    fn forget(&mut self, kind: Kind) {
        match kind {
            Kind::Account => {
                self.account = None;
                self.memory = Memory::default();
            }
            Kind::Secret => self.secret = None,
            Kind::ServiceAccount => self.service_account = None,
        }
    }

    fn is_nothing(&self) -> bool {
        self.account.is_none() && self.secret.is_none() && self.service_account.is_none()
    }
}

/// Revocations come first.
fn line_of(seen: &Seen) -> Line {
    match &seen.account {
        Some(account) if account.deleting.is_none() => Line::Ready,
        Some(_) | None => Line::Urgent,
    }
}
