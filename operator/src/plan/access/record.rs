//! The record that a grant was used on a cluster. From then on, callers whom no grant names no
//! longer act as the gateway's account there. The record stays when the last grant ends, so that no
//! end of a grant gives anybody more than before. Administrators may delete it then.

use crds::gateway::ACCESS_RECORD;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    kind::{Kind, ObjectKey},
    observed::Observed,
    plan::{Desired, Plan},
};

/// The key of the time when the first grant was used.
const SINCE: &str = "firstGrant";

/// Plans the record, which comes before any right does.
pub(super) fn plan(
    observed: &Observed,
    cluster: &str,
    has_grants: bool,
    now: Timestamp,
    plan: &mut Plan,
) {
    let key = ObjectKey::new(Kind::ConfigMap, cluster, ACCESS_RECORD);
    let is_leaving = observed.configuration().is_some_and(|it| it.is_deleting);
    if is_leaving {
        plan.unwanted(observed, &key);
    } else if has_grants {
        let known = observed.object(&key);
        let since = known.and_then(|record| record.data["data"][SINCE].as_str());
        let since = since.map_or_else(|| format!("{now:.0}"), str::to_owned);
        plan.want(observed, Desired::new(key, json!({"data": {SINCE: since}})));
    }
}
