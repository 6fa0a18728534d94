//! The rows of a caller who may see only its own clusters. Pure.

use crds::{
    cluster_core::{MyCluster, MyGrant},
    gateway::GrantState,
};
use jiff::Timestamp;

use crate::table::age;

pub(super) const HEADS: [&str; 3] = ["NAME", "HEALTHY", "GRANTS"];

/// The cells of one cluster.
pub(super) fn cells(cluster: &MyCluster, now: Timestamp) -> Vec<String> {
    let MyCluster { metadata, status } = cluster;
    let healthy = match status.healthy {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let grants: Vec<_> = status.grants.iter().map(|it| word(it, now)).collect();
    vec![
        metadata.name.clone().unwrap_or_default(),
        healthy.to_owned(),
        grants.join(", "),
    ]
}

fn word(grant: &MyGrant, now: Timestamp) -> String {
    let mut parts = vec![grant.role.clone()];
    if !grant.namespaces.is_empty() {
        parts.push(format!("in {}", grant.namespaces.join(" ")));
    }
    if grant.state != GrantState::Applied {
        parts.push(format!("{:?}", grant.state));
    }
    if let Some(end) = &grant.expires_at {
        let left = end.0.duration_since(now).unsigned_abs();
        parts.push(format!("{} left", age(left)));
    }
    format!("{} ({})", grant.name, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_is_shown_with_what_the_caller_has_there() {
        let cluster: MyCluster = serde_json::from_value(json!({
            "metadata": {"name": "managed1"},
            "status": {"healthy": true, "grants": [
                {"name": "alice-view", "role": "view", "state": "Applied"},
                {
                    "name": "alice-edit", "role": "edit", "state": "Pending", "namespaces": ["a", "b"],
                    "expiresAt": "1970-01-01T08:00:00Z",
                },
            ]},
        }))
        .unwrap();
        assert_eq!(
            cells(&cluster, Timestamp::UNIX_EPOCH),
            [
                "managed1",
                "True",
                "alice-view (view), alice-edit (edit, in a b, Pending, 8h left)"
            ]
        );
        let unknown = MyCluster::default();
        assert_eq!(cells(&unknown, Timestamp::UNIX_EPOCH), ["", "Unknown", ""]);
    }
}
