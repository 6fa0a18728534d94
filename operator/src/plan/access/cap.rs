//! The limit that an administrator sets on what may be granted on a cluster, whoever grants it.

use crds::gateway::{AccessCap, GrantRole};
use kube::core::{DynamicObject, Selector, SelectorExt as _};

use crate::observed::Observed;

/// The caps that apply to a cluster.
pub(super) struct Caps<'a> {
    /// Whether the configuration has any caps.
    bounded: bool,
    fitting: Vec<&'a AccessCap>,
}

impl<'a> Caps<'a> {
    pub(super) fn of(observed: &'a Observed, cluster: &DynamicObject) -> Self {
        let configuration = observed.configuration();
        let caps = configuration.map_or(&[][..], |it| &it.spec.access.caps);
        let labels = cluster.metadata.labels.clone().unwrap_or_default();
        let fitting = caps.iter().filter(|cap| {
            cap.selector.clone().is_none_or(|selector| {
                // A cap with an invalid selector allows nothing.
                Selector::try_from(selector).is_ok_and(|selector| selector.matches(&labels))
            })
        });
        Self {
            bounded: !caps.is_empty(),
            fitting: fitting.collect(),
        }
    }

    /// True if the role may be granted on the cluster.
    pub(super) fn allow(&self, role: &GrantRole) -> bool {
        let mut fitting = self.fitting.iter();
        !self.bounded
            || fitting.any(|cap| match &role.cluster_role {
                Some(name) => cap.cluster_roles.contains(name),
                None => cap.rules,
            })
    }
}
