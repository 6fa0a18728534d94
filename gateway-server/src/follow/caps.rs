//! Keeps what may be granted at most in line with the hub's configuration.

use crds::gateway::{Access, Caps, GatewayConfiguration, SINGLETON};
use kube::{Api, Client, Resource, api::ObjectMeta, runtime::watcher};
use runtime::readiness::Condition;
use serde::Deserialize;
use tracing::info;

use super::{follow, follower::Follower};
use crate::grants::Grants;

/// The part of a `GatewayConfiguration` that bounds grants. What else is in there may be of a later
/// version.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = GatewayConfiguration)]
pub(super) struct Bounded {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: BoundedSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct BoundedSpec {
    #[serde(default)]
    access: Access,
}

/// Without a configuration there are no caps.
struct Configured<'a>(&'a Grants);

impl Follower for Configured<'_> {
    type Object = Bounded;
    const WHAT: &'static str = "the GatewayConfiguration";

    fn reset(&self, all: &[Bounded]) {
        let caps = all.first().map(caps_of).unwrap_or_default();
        self.0.set_caps(caps, self.0.now());
        info!(objects = all.len(), "{} listed", Self::WHAT);
    }

    fn has_no_kind(&self) {
        self.0.set_caps(Caps::default(), self.0.now());
    }

    fn apply(&self, configuration: &Bounded) {
        self.0.set_caps(caps_of(configuration), self.0.now());
    }

    fn remove(&self, _: &Bounded) {
        self.0.set_caps(Caps::default(), self.0.now());
    }
}

fn caps_of(configuration: &Bounded) -> Caps {
    Caps::from(&configuration.spec.access)
}

/// Follows the configuration for as long as it is polled; `listed` is met once it was read.
pub(super) async fn follow_caps(grants: &Grants, client: Client, listed: Condition) {
    let api: Api<Bounded> = Api::all(client);
    let config = watcher::Config::default().fields(&format!("metadata.name={SINGLETON}"));
    follow(&Configured(grants), api, config, listed).await;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_of_a_later_version_still_bounds() {
        let read: Bounded = serde_json::from_value(json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "GatewayConfiguration",
            "metadata": {"name": "default"},
            "spec": {"egress": {"type": "Future"}, "access": {"caps": [{"clusterRoles": ["view"]}]}},
        }))
        .unwrap();
        assert_eq!(read.spec.access.caps[0].cluster_roles, ["view"]);
        let empty: Bounded =
            serde_json::from_value(json!({"metadata": {"name": "default"}})).unwrap();
        assert!(empty.spec.access.caps.is_empty());
    }
}
