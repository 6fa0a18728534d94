//! The resource of a request as a metric label. A caller can ask for any resource, so only those that
//! Kubernetes itself has are told apart. Pure.

/// A resource, as its place in [`NAMES`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Resource(u8);

/// In order, for the search. The empty one is that of paths such as `/version`.
const NAMES: [&str; 74] = [
    "",
    "apiservices",
    "bindings",
    "certificatesigningrequests",
    "clusterrolebindings",
    "clusterroles",
    "clustertrustbundles",
    "componentstatuses",
    "configmaps",
    "controllerrevisions",
    "cronjobs",
    "csidrivers",
    "csinodes",
    "csistoragecapacities",
    "customresourcedefinitions",
    "daemonsets",
    "deployments",
    "deviceclasses",
    "endpoints",
    "endpointslices",
    "events",
    "flowschemas",
    "horizontalpodautoscalers",
    "ingressclasses",
    "ingresses",
    "ipaddresses",
    "jobs",
    "leasecandidates",
    "leases",
    "limitranges",
    "localsubjectaccessreviews",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "mutatingwebhookconfigurations",
    "namespaces",
    "networkpolicies",
    "nodes",
    OTHER,
    "persistentvolumeclaims",
    "persistentvolumes",
    "poddisruptionbudgets",
    "pods",
    "podtemplates",
    "priorityclasses",
    "prioritylevelconfigurations",
    "replicasets",
    "replicationcontrollers",
    "resourceclaims",
    "resourceclaimtemplates",
    "resourcequotas",
    "resourceslices",
    "rolebindings",
    "roles",
    "runtimeclasses",
    "secrets",
    "selfsubjectaccessreviews",
    "selfsubjectreviews",
    "selfsubjectrulesreviews",
    "serviceaccounts",
    "servicecidrs",
    "services",
    "statefulsets",
    "storageclasses",
    "storageversionmigrations",
    "storageversions",
    "subjectaccessreviews",
    "tokenreviews",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "volumeattachments",
    "volumeattributesclasses",
    "volumesnapshotclasses",
    "volumesnapshots",
];

const OTHER: &str = "other";

impl Resource {
    /// Any resource that is not told apart.
    pub(crate) const OTHER: Self = Self(37);

    /// The resource of a name in a path.
    pub(crate) fn of(name: &str) -> Self {
        let place = NAMES.binary_search(&name).ok();
        let place = place.and_then(|place| u8::try_from(place).ok());
        place.map_or(Self::OTHER, Self)
    }

    /// Its name, as a label.
    pub(super) fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or(OTHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resources_of_kubernetes_are_told_apart() {
        assert!(NAMES.is_sorted());
        for name in NAMES {
            assert_eq!(Resource::of(name).name(), name);
        }
        assert_eq!(Resource::OTHER.name(), "other");
        for invented in ["widgets", "pods2", "\"} 1", "PODS"] {
            assert_eq!(Resource::of(invented), Resource::OTHER, "{invented}");
        }
    }
}
