//! Dispatches each key to the module that plans it.

use jiff::Timestamp;

use super::{Plan, access, enrolment, hub, status};
use crate::{key::Key, observed::Observed};

/// The plan of a key.
pub(crate) fn by_key(observed: &Observed, key: &Key, now: Timestamp) -> Plan {
    match key {
        Key::Hub => hub::plan(observed, now),
        Key::Cluster(cluster) => enrolment::plan(observed, cluster, now),
        Key::Access(cluster) => access::plan(observed, cluster, now),
        Key::Grant(name) => access::plan_grant(observed, name, now),
        Key::Status => status::plan(observed, now),
    }
}
