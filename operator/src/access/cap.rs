//! What an administrator lets be granted at most, whoever grants it.

use kube::core::{DynamicObject, Selector, SelectorExt as _};

use super::grant::Grant;
use crate::observed::Observed;

/// True where the configuration's caps let the grant's role be granted on the cluster.
pub(super) fn allows(observed: &Observed, grant: &Grant, cluster: &DynamicObject) -> bool {
    let Some(configuration) = observed.configuration() else {
        return false;
    };
    let caps = &configuration.spec.access.caps;
    let role = &grant.object.spec.role;
    let mut fitting = caps.iter().filter(|cap| {
        cap.selector.clone().is_none_or(|selector| {
            // One that makes no sense allows nothing.
            let labels = cluster.metadata.labels.clone().unwrap_or_default();
            Selector::try_from(selector).is_ok_and(|selector| selector.matches(&labels))
        })
    });
    caps.is_empty()
        || fitting.any(|cap| match &role.cluster_role {
            Some(name) => cap.cluster_roles.contains(name),
            None => cap.rules,
        })
}
