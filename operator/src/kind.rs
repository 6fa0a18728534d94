//! The kinds of objects that are watched or written, and what one of them is called.

use crds::addon;
use kube::core::{ApiResource, DynamicObject};
use serde::Serialize;

/// A kind of object.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Kind {
    GatewayConfiguration,
    AccessGrant,
    ManagedCluster,
    ManagedClusterSet,
    ManagedClusterSetBinding,
    PlacementDecision,
    ClusterManagementAddOn,
    ManagedClusterAddOn,
    AddOnDeploymentConfig,
    ManifestWork,
    ManagedServiceAccount,
    CertificateSigningRequest,
    ClusterRole,
    ClusterRoleBinding,
    RoleBinding,
    ApiService,
    Namespace,
    ServiceAccount,
    Role,
    Secret,
    Service,
    Deployment,
    PodDisruptionBudget,
    EndpointSlice,
    AdmissionPolicy,
    AdmissionPolicyBinding,
}

/// Which object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct ObjectKey {
    pub(crate) kind: Kind,
    /// Empty where the kind has none; for certificate requests the cluster that they are for.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Group, version, plural, and whether it is in namespaces.
struct Names(&'static str, &'static str, &'static str, bool);

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

impl Kind {
    pub(crate) const ALL: [Self; 26] = [
        Self::GatewayConfiguration,
        Self::AccessGrant,
        Self::ManagedCluster,
        Self::ManagedClusterSet,
        Self::ManagedClusterSetBinding,
        Self::PlacementDecision,
        Self::ClusterManagementAddOn,
        Self::ManagedClusterAddOn,
        Self::AddOnDeploymentConfig,
        Self::ManifestWork,
        Self::ManagedServiceAccount,
        Self::CertificateSigningRequest,
        Self::ClusterRole,
        Self::ClusterRoleBinding,
        Self::RoleBinding,
        Self::ApiService,
        Self::Namespace,
        Self::ServiceAccount,
        Self::Role,
        Self::Secret,
        Self::Service,
        Self::Deployment,
        Self::PodDisruptionBudget,
        Self::EndpointSlice,
        Self::AdmissionPolicy,
        Self::AdmissionPolicyBinding,
    ];

    /// True for kinds that are looked at in the server's namespace alone, where there is no need, or no
    /// right, to look at all of the hub.
    pub(crate) fn is_of_server(self) -> bool {
        matches!(
            self,
            Self::ServiceAccount
                | Self::Secret
                | Self::Service
                | Self::Deployment
                | Self::PodDisruptionBudget
                | Self::EndpointSlice
        )
    }

    /// As objects spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::GatewayConfiguration => "GatewayConfiguration",
            Self::AccessGrant => "AccessGrant",
            Self::ManagedCluster => "ManagedCluster",
            Self::ManagedClusterSet => "ManagedClusterSet",
            Self::ManagedClusterSetBinding => "ManagedClusterSetBinding",
            Self::PlacementDecision => "PlacementDecision",
            Self::ClusterManagementAddOn => "ClusterManagementAddOn",
            Self::ManagedClusterAddOn => "ManagedClusterAddOn",
            Self::AddOnDeploymentConfig => "AddOnDeploymentConfig",
            Self::ManifestWork => "ManifestWork",
            Self::ManagedServiceAccount => "ManagedServiceAccount",
            Self::CertificateSigningRequest => "CertificateSigningRequest",
            Self::ClusterRole => "ClusterRole",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::RoleBinding => "RoleBinding",
            Self::ApiService => "APIService",
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::Secret => "Secret",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::EndpointSlice => "EndpointSlice",
            Self::AdmissionPolicy => "ValidatingAdmissionPolicy",
            Self::AdmissionPolicyBinding => "ValidatingAdmissionPolicyBinding",
        }
    }

    pub(crate) fn is_namespaced(self) -> bool {
        self.names().3
    }

    /// Where the API server has it; the add-on API has one of two versions.
    pub(crate) fn resource(self, addons: addon::Version) -> ApiResource {
        let Names(group, version, plural, _) = self.names();
        let version = if group == addon::GROUP {
            addons.as_str()
        } else {
            version
        };
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() {
                version.to_owned()
            } else {
                format!("{group}/{version}")
            },
            kind: self.as_str().to_owned(),
            plural: plural.to_owned(),
        }
    }

    fn names(self) -> Names {
        match self {
            Self::GatewayConfiguration => Names(
                crds::gateway::GROUP,
                crds::gateway::VERSION,
                "gatewayconfigurations",
                false,
            ),
            Self::AccessGrant => Names(
                crds::gateway::GROUP,
                crds::gateway::VERSION,
                "accessgrants",
                false,
            ),
            Self::ManagedCluster => Names(crds::cluster::GROUP, "v1", "managedclusters", false),
            Self::ManagedClusterSet => {
                Names(crds::cluster::GROUP, "v1beta2", "managedclustersets", false)
            }
            Self::ManagedClusterSetBinding => Names(
                crds::cluster::GROUP,
                "v1beta2",
                "managedclustersetbindings",
                true,
            ),
            Self::PlacementDecision => {
                Names(crds::cluster::GROUP, "v1beta1", "placementdecisions", true)
            }
            Self::ClusterManagementAddOn => {
                Names(addon::GROUP, "", "clustermanagementaddons", false)
            }
            Self::ManagedClusterAddOn => Names(addon::GROUP, "", "managedclusteraddons", true),
            Self::AddOnDeploymentConfig => Names(addon::GROUP, "", addon::DEPLOYMENT_CONFIGS, true),
            Self::ManifestWork => Names(crds::work::GROUP, "v1", "manifestworks", true),
            Self::ManagedServiceAccount => {
                let group = crds::authentication::GROUP;
                Names(group, "v1beta1", "managedserviceaccounts", true)
            }
            Self::CertificateSigningRequest => Names(
                "certificates.k8s.io",
                "v1",
                "certificatesigningrequests",
                false,
            ),
            Self::ClusterRole => Names(RBAC, "v1", "clusterroles", false),
            Self::ClusterRoleBinding => Names(RBAC, "v1", "clusterrolebindings", false),
            Self::RoleBinding => Names(RBAC, "v1", "rolebindings", true),
            Self::ApiService => Names("apiregistration.k8s.io", "v1", "apiservices", false),
            Self::Namespace => Names("", "v1", "namespaces", false),
            Self::ServiceAccount => Names("", "v1", "serviceaccounts", true),
            Self::Role => Names(RBAC, "v1", "roles", true),
            Self::Secret => Names("", "v1", "secrets", true),
            Self::Service => Names("", "v1", "services", true),
            Self::Deployment => Names("apps", "v1", "deployments", true),
            Self::PodDisruptionBudget => Names("policy", "v1", "poddisruptionbudgets", true),
            Self::EndpointSlice => Names("discovery.k8s.io", "v1", "endpointslices", true),
            Self::AdmissionPolicy => Names(ADMISSION, "v1", "validatingadmissionpolicies", false),
            Self::AdmissionPolicyBinding => {
                Names(ADMISSION, "v1", "validatingadmissionpolicybindings", false)
            }
        }
    }
}

impl ObjectKey {
    pub(crate) fn global(kind: Kind, name: &str) -> Self {
        Self::new(kind, "", name)
    }

    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// That of an object that was read.
    pub(crate) fn of(kind: Kind, object: &DynamicObject) -> Self {
        let metadata = &object.metadata;
        let namespace = if kind == Kind::CertificateSigningRequest {
            let labels = metadata.labels.as_ref();
            labels.and_then(|labels| labels.get(addon::CLUSTER_LABEL))
        } else {
            metadata.namespace.as_ref()
        };
        Self {
            kind,
            namespace: namespace.cloned().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        let kind_name = kind.as_str();
        if kind.is_namespaced() {
            write!(formatter, "{kind_name} {namespace}/{name}")
        } else {
            write!(formatter, "{kind_name} {name}")
        }
    }
}
