//! The server moves to another namespace: what it had in the earlier one is removed first, because the
//! operator watches only one. The configuration's status remembers where it is, so that a restart
//! loses nothing.

use std::collections::BTreeSet;

use crds::gateway::{GatewayConfigurationSpec, SINGLETON};
use serde_json::json;

use super::server;
use crate::{
    kind::{Kind, ObjectKey},
    observed::Observed,
    plan::{Action, Part, Plan, Seen},
};

/// True while something of the server is in an earlier namespace.
pub(super) fn plan(observed: &Observed, spec: &GatewayConfigurationSpec, plan: &mut Plan) -> bool {
    let wanted = &spec.server.namespace;
    if observed.home() == wanted {
        record(observed, wanted, plan);
        return false;
    }
    let mut removal = Plan::default();
    server::sweep(observed, &BTreeSet::new(), &mut removal);
    if !removal.actions.is_empty() {
        // If the operator has no right in the new namespace, nothing goes in the old one.
        for first in server::first_objects(wanted) {
            plan.actions.push(Action::Apply(first.stamped()));
        }
    }
    plan.actions.append(&mut removal.actions);
    true
}

/// Records where the server is, before anything of it is there.
fn record(observed: &Observed, home: &str, plan: &mut Plan) {
    let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    let Some(object) = observed.object(&key) else {
        return;
    };
    if observed.recorded_home() != Some(home) {
        plan.actions.push(Action::Patch {
            object: Seen::of(&key, object),
            part: Part::Status,
            patch: json!({"status": {"serverNamespace": home}}),
        });
    }
}
