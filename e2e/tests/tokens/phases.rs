//! The calls in a token's life, each as moments at which something may break: just before the API
//! server receives the call, and just after it has carried it out but before the agent knows. Each
//! moment has an account of its own, so that many can be tested at the same time.

use std::time::Duration;

use e2e::{
    eventually,
    interposer::{Call, Moment, Trap},
};
use futures::future::join_all;
use http::Method;
use serde_json::json;

use super::stage::{SOON, Stage};

/// How soon the hub's garbage collector has removed what is orphaned. After its API server was away
/// it waits up to a minute before it lists again.
const COLLECTED: Duration = Duration::from_secs(90);

/// The stages of a token's life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Age {
    Creation,
    /// A shorter validity makes the agent renew at once, as it would when a renewal is due.
    Renewal,
    Deletion,
}

/// One moment, and the account that is held in it.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) age: Age,
    pub(crate) moment: Moment,
    pub(crate) call: Call,
}

/// Every moment of every stage, in the order of a token's life.
pub(crate) fn all() -> Vec<Phase> {
    let accounts = "managedserviceaccounts";
    let calls = [
        (Age::Creation, Method::PATCH, accounts),
        (Age::Creation, Method::POST, "serviceaccounts"),
        (Age::Creation, Method::POST, "serviceaccounts/token"),
        (Age::Creation, Method::POST, "secrets"),
        (
            Age::Creation,
            Method::PATCH,
            "managedserviceaccounts/status",
        ),
        (Age::Renewal, Method::POST, "serviceaccounts/token"),
        (Age::Renewal, Method::PATCH, "secrets"),
        (Age::Renewal, Method::PATCH, "managedserviceaccounts/status"),
        (Age::Deletion, Method::DELETE, "serviceaccounts"),
        (Age::Deletion, Method::DELETE, "secrets"),
        // The call that removes the finalizer.
        (Age::Deletion, Method::PATCH, accounts),
    ];
    let both = calls
        .into_iter()
        .flat_map(|call| [(Moment::Before, call.clone()), (Moment::After, call)]);
    both.map(|(moment, (age, method, resource))| Phase::new(age, moment, method, resource))
        .collect()
}

impl Phase {
    fn new(age: Age, moment: Moment, method: Method, resource: &str) -> Self {
        let words = format!("{age:?}-{moment:?}-{method}-{resource}");
        let name = words.to_lowercase().replace('/', "-");
        let resource = resource.to_owned();
        let call = Call {
            method,
            resource,
            name,
        };
        Self { age, moment, call }
    }

    pub(crate) fn name(&self) -> &str {
        &self.call.name
    }

    /// Creates what must exist before the moment.
    pub(crate) async fn prepare(&self, stage: &Stage) {
        if self.age != Age::Creation {
            stage.create(self.name(), "2h").await;
            stage.usable_token(self.name(), None).await;
            stage.says(self.name(), "True TokenReported").await;
        }
    }

    /// Lets the agent reach the moment.
    pub(crate) async fn enter(&self, stage: &Stage) -> Trap {
        let between = stage.between.as_ref().unwrap();
        let trap = between.of(&self.call).stop(self.call.clone(), self.moment);
        match self.age {
            Age::Creation => stage.create(self.name(), "1h").await,
            Age::Renewal => {
                let shorter = json!({"spec": {"rotation": {"validity": "1h"}}});
                stage.change(self.name(), shorter).await;
            }
            Age::Deletion => stage.delete(self.name()).await,
        }
        trap
    }

    /// True if a token was issued that the agent never received.
    pub(crate) fn loses_an_answer(&self) -> bool {
        self.moment == Moment::After && self.call.resource == "serviceaccounts/token"
    }

    /// True if a token that the agent received was not in a Secret yet.
    pub(crate) fn loses_memory(&self) -> bool {
        self.moment == Moment::Before && self.call.resource == "secrets"
    }

    /// Checks that everything is as if nothing had happened, except that `lost` tokens were issued
    /// in vain.
    pub(crate) async fn is_over(&self, stage: &Stage, lost: usize) {
        let name = self.name();
        if self.age == Age::Deletion {
            stage.is_gone(name).await;
            // If the agent was refused, the hub's garbage collector removes the Secret. Its token
            // is invalid.
            let gone = || async { stage.token(name).await.map_or(Ok(()), |_| Err("a Secret")) };
            eventually(COLLECTED, name, gone).await.unwrap();
            let left = stage.service_accounts().get_opt(name).await.unwrap();
            assert!(left.is_none(), "{name}: {left:?}");
            return;
        }
        let first = stage.issued(name).first().cloned();
        let old = first.filter(|_| self.age == Age::Renewal);
        let token = stage.usable_token(name, old.as_deref()).await;
        stage.says(name, "True TokenReported").await;
        let issued = stage.issued(name);
        let wanted = if self.age == Age::Renewal { 2 } else { 1 };
        assert_eq!(issued.len(), wanted + lost, "{name}");
        assert_eq!(issued.last(), Some(&token), "{name}");
        let found = stage.service_accounts().get(name).await.unwrap();
        assert!(found.metadata.deletion_timestamp.is_none(), "{name}");
    }
}

/// Deletes what is left of all phases, and waits until every token that was ever issued is invalid.
pub(crate) async fn all_die(stage: &Stage, phases: &[Phase]) {
    for phase in phases.iter().filter(|phase| phase.age != Age::Deletion) {
        stage.delete(phase.name()).await;
    }
    join_all(phases.iter().map(|phase| stage.is_gone(phase.name()))).await;
    let tokens = phases.iter().flat_map(|phase| stage.issued(phase.name()));
    let tokens: Vec<_> = tokens.collect();
    assert!(tokens.len() >= phases.len(), "{} tokens", tokens.len());
    join_all(tokens.iter().map(|token| stage.is_revoked(token))).await;
}

/// Waits until the agent is held at each of the moments.
pub(crate) async fn are_entered(traps: &[Trap]) {
    for trap in traps {
        trap.is_sprung(SOON).await.unwrap();
    }
}
