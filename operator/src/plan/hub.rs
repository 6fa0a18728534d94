//! What the hub is supposed to have for all clusters together. Pure.

mod addons;
mod api_service;
mod default_config;
mod moving;
mod order_of_leaving;
mod publication;
mod removal;
mod rights;
mod server;

use crds::gateway::{FINALIZER, SINGLETON};
use jiff::Timestamp;

pub(crate) use self::{
    addons::foreign,
    publication::{Publication, publication},
    server::withheld,
};
use crate::{
    kind::{Kind, ObjectKey},
    observed::Observed,
    plan::{Hold, Plan},
};

/// Plans the objects that serve all clusters.
pub(crate) fn plan(observed: &Observed, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    let configuration = observed.configuration();
    let Some(configuration) = configuration.filter(|it| !it.is_deleting) else {
        removal::plan(observed, now, &mut plan);
        return plan;
    };
    if publication::leaving(observed).is_some() {
        // Nothing can be created there any more, and the operator may be gone with it soon.
        publication::plan(observed, &configuration.spec, None, now, &mut plan);
        return plan;
    }
    if let Some(object) = observed.object(&key) {
        plan.hold(&key, object, FINALIZER, Hold::Keep);
    }
    if !plan.actions.is_empty() {
        // Nothing is created before the configuration waits for its removal. The next plan goes on.
        return plan;
    }
    rights::plan(observed, &mut plan);
    addons::plan(observed, now, &mut plan);
    let bundle = if moving::plan(observed, &configuration.spec, &mut plan) {
        None
    } else {
        server::plan(observed, &configuration.spec, now, &mut plan)
    };
    publication::plan(observed, &configuration.spec, bundle, now, &mut plan);
    order_of_leaving::plan(observed, Hold::Keep, &mut plan);
    plan
}
