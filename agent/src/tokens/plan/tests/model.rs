//! Both API servers, an issuer with its own clock and policy, and one account.

use std::{ops::ControlFlow, sync::Arc};

use crds::authentication::{FINALIZER, Validity};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::tokens::{
    objects::{Account, Request, Secret, ServiceAccount, Spec, Version},
    outcome::{Outcome, Refusal},
    ownership::Mark,
    plan::{Action, Plan, plan},
    seen::{Minted, Observed, Seen, Site, Step},
    token::{Token, forge},
};

pub(super) const START: i64 = 1_800_000_000;

pub(super) struct Model {
    pub(super) site: Site,
    pub(super) seen: Seen,
    pub(super) now: Timestamp,
    /// The managed cluster's clock minus the agent's, in seconds.
    pub(super) skew: i64,
    /// The lifetime that the issuer gives for a requested lifetime.
    pub(super) issues: fn(i64) -> i64,
    /// What the managed cluster answers to a token review.
    pub(super) vouches: bool,
    /// Steps that fail, with their reasons.
    pub(super) failing: Vec<(Step, &'static str)>,
    /// The calls that were made.
    pub(super) calls: Vec<Step>,
    /// The UID of the account.
    uid: &'static str,
    versions: u64,
}

impl Model {
    /// A new account, and everything listed.
    pub(super) fn new() -> Self {
        Self::with("account-1")
    }

    /// The same with an account of this UID.
    pub(super) fn with(uid: &'static str) -> Self {
        let site = Site {
            cluster: "managed1".to_owned(),
            namespace: "tokens".to_owned(),
            hold: SignedDuration::from_mins(10),
            authority: b"ca-1".as_slice().into(),
            accounts_listed: true,
            secrets_listed: true,
            service_accounts_listed: true,
            ..Site::default()
        };
        let mut model = Self {
            site,
            seen: Seen::default(),
            now: Timestamp::from_second(START).unwrap(),
            skew: 0,
            issues: |seconds| seconds,
            vouches: true,
            failing: Vec::new(),
            calls: Vec::new(),
            uid,
            versions: 0,
        };
        let version = model.version(uid);
        model.seen.account = Some(Arc::new(Account {
            version,
            generation: Some(1),
            created: model.now,
            deleting: None,
            finalizers: Vec::new(),
            spec: Ok(Spec {
                validity: Validity::parse("1h").unwrap(),
                audiences: Vec::new(),
            }),
            ttl: None,
            status: crds::authentication::ManagedServiceAccountStatus::default(),
        }));
        model
    }

    /// An account that has its token.
    pub(super) fn served() -> Self {
        let mut model = Self::new();
        model.settle();
        model.calls.clear();
        model
    }

    /// Carries out plans until there is nothing to do, and returns until when.
    pub(super) fn settle(&mut self) -> Option<Timestamp> {
        for _ in 0..50 {
            if let ControlFlow::Break(until) = self.step() {
                return until;
            }
        }
        panic!("no end of it: {:?}", self.calls);
    }

    /// Makes the next call. If there is none, returns until when.
    pub(super) fn step(&mut self) -> ControlFlow<Option<Timestamp>> {
        match self.plan() {
            Plan::Wait(until) => ControlFlow::Break(until),
            Plan::Act(action) => {
                let step = action.step();
                self.calls.push(step);
                let outcome = self.answer(action);
                self.seen.learn(step, outcome, self.now);
                ControlFlow::Continue(())
            }
        }
    }

    /// Carries out plans whenever they are due, for this many seconds.
    pub(super) fn live(&mut self, seconds: i64) {
        let end = self.now.as_second() + seconds;
        for _ in 0..10_000 {
            let Some(until) = self.settle().filter(|until| until.as_second() < end) else {
                self.now = Timestamp::from_second(end).unwrap();
                return;
            };
            assert!(
                until > self.now,
                "waits for the past after {:?}",
                self.calls
            );
            self.now = until;
        }
        panic!("a storm: {} calls", self.calls.len());
    }

    pub(super) fn plan(&self) -> Plan {
        let observed = Observed {
            site: &self.site,
            name: "gateway",
            seen: &self.seen,
        };
        plan(&observed, self.now)
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now = Timestamp::from_second(self.now.as_second() + seconds).unwrap();
    }

    pub(super) fn count(&self, step: Step) -> usize {
        self.calls.iter().filter(|call| **call == step).count()
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Account)) {
        let mut account = Account::clone(self.seen.account.as_ref().unwrap());
        change(&mut account);
        self.seen.account = Some(Arc::new(account));
    }

    pub(super) fn wants(&mut self, validity: &str) {
        let validity = Validity::parse(validity).unwrap();
        self.change(|account| {
            account.generation = account.generation.map(|generation| generation + 1);
            account.spec.as_mut().unwrap().validity = validity;
        });
    }

    /// Edits the Secret as somebody else.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Secret)) {
        let mut secret = self.seen.secret.clone().unwrap();
        change(&mut secret);
        secret.claims = secret.token.as_ref().and_then(Token::claims);
        secret.since = self.now;
        let uid = secret.version.uid.clone();
        secret.version = self.version(&uid);
        self.seen.secret = Some(secret.after(self.seen.secret.as_ref().unwrap()));
    }

    /// Restarts the agent.
    pub(super) fn restart(&mut self) {
        self.seen.memory = crate::tokens::seen::Memory::default();
        self.seen.secret.as_mut().unwrap().since = self.now;
    }

    /// The status and reason of a condition.
    pub(super) fn condition(&self, kind: &str) -> String {
        let conditions = &self.seen.account.as_ref().unwrap().status.conditions;
        let found = conditions.iter().find(|condition| condition.type_ == kind);
        found.map_or_else(String::new, |found| {
            format!("{} {}", found.status, found.reason)
        })
    }

    /// A token that the issuer might have issued.
    pub(super) fn token(&self, uid: &str, seconds: i64) -> Token {
        let issued = self.now.as_second() + self.skew;
        forge(&json!({
            "aud": ["default"], "iat": issued, "exp": issued + seconds, "jti": self.versions,
            "sub": format!("system:serviceaccount:{}:gateway", self.site.namespace),
            "kubernetes.io": {"serviceaccount": {"uid": uid}},
        }))
    }

    /// True while the token in the Secret works, by the managed cluster's clock.
    pub(super) fn works(&self) -> bool {
        let claims = self
            .seen
            .secret
            .as_ref()
            .and_then(|secret| secret.claims.as_ref());
        claims.is_some_and(|claims| claims.expires.as_second() > self.now.as_second() + self.skew)
    }

    fn version(&mut self, uid: &str) -> Version {
        self.versions += 1;
        Version {
            uid: uid.to_owned(),
            resource_version: self.versions.to_string(),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm per call")]
    fn answer(&mut self, action: Action) -> Outcome {
        let step = action.step();
        if let Some((_, reason)) = self.failing.iter().find(|(failing, _)| *failing == step) {
            let message = format!("{reason} at {}", step.name());
            return Outcome::Failed(Refusal {
                reason,
                message,
                pause: None,
            });
        }
        let mut account = self.seen.account.as_deref().cloned();
        if let Some(account) = &mut account {
            account.version = self.version(self.uid);
        }
        match action {
            Action::AddFinalizer => {
                let mut account = account.unwrap();
                account.finalizers.push(FINALIZER.to_owned());
                Outcome::Account(account)
            }
            Action::RemoveFinalizer { .. } | Action::DeleteAccount => Outcome::AccountGone,
            Action::CreateServiceAccount => {
                let uid = format!("sa-{}-of-{}", self.versions, self.uid);
                let version = self.version(&uid);
                let mark = Mark {
                    owner: self.site.owner.clone(),
                    account_uid: Some(self.uid.to_owned()),
                };
                Outcome::ServiceAccount(ServiceAccount {
                    version,
                    created: self.now,
                    terminating: false,
                    mark,
                })
            }
            Action::RequestToken(request) => self.mint(request),
            Action::WriteSecret(content) => {
                let request = content.token.request.clone();
                let version = self.version("secret-1");
                let secret = Secret {
                    version,
                    owners: vec![self.uid.to_owned()],
                    token: Some(content.token.token.clone()),
                    claims: Some(content.token.claims.clone()),
                    authority: self.site.authority.to_vec(),
                    received: Some(content.token.received),
                    request,
                    since: self.now,
                };
                let authority = self.site.authority.clone();
                Outcome::Written {
                    secret,
                    token: content.token,
                    authority,
                }
            }
            Action::ReviewToken { token, .. } => Outcome::Reviewed {
                token,
                good: self.vouches,
            },
            Action::WriteStatus(asked) => {
                let mut account = account.unwrap();
                account.status = (*asked).clone();
                Outcome::Status {
                    asked: *asked,
                    account,
                }
            }
            Action::DeleteServiceAccount { .. } => Outcome::ServiceAccountGone,
            Action::DeleteSecret { .. } => Outcome::SecretGone,
        }
    }

    fn mint(&mut self, request: Request) -> Outcome {
        self.versions += 1;
        let uid = self
            .seen
            .service_account
            .as_ref()
            .unwrap()
            .version
            .uid
            .clone();
        let token = self.token(&uid, (self.issues)(request.seconds.unwrap()));
        let claims = token.claims().unwrap();
        Outcome::Minted(Minted {
            token,
            claims,
            request,
            received: self.now,
        })
    }
}
