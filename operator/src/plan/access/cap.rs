//! The limit that an administrator sets on what may be granted on a cluster, whoever grants it.

use crds::{
    gateway::{AccessCap, GrantRole},
    label_selector::compile,
};
use kube::core::{DynamicObject, SelectorExt as _};

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
            let selector = cap.selector.as_ref();
            // A configuration with an invalid selector is not read.
            selector.is_none_or(|it| compile(it).is_ok_and(|it| it.matches(&labels)))
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
