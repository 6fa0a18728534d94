//! The kinds of objects that are watched or written, with one row for each kind, and the key of one
//! object.

use crds::{addon, authentication, cluster, gateway, work};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde::Serialize;

use crate::names::{API_SERVICE, DERIVING_ROLE, GATEWAY, MANAGED_BY, MANAGER, SERVICE};

/// The API group of roles and bindings.
pub(crate) const RBAC: &str = "rbac.authorization.k8s.io";
/// The same group with its version.
pub(crate) const RBAC_V1: &str = "rbac.authorization.k8s.io/v1";

/// The label of an `EndpointSlice` that names its Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Identifies one object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct ObjectKey {
    pub(crate) kind: Kind,
    /// Empty if the kind is cluster-scoped. For certificate requests it is the cluster that they
    /// are for.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Whether a kind is namespaced, and where it is watched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// The kind is cluster-scoped.
    Cluster,
    /// The kind is namespaced, and watched in all namespaces.
    Namespaces,
    /// The kind is namespaced, but watched only in the namespace of the gateway server. The
    /// operator does not need others and has no right to read them.
    Server,
}

/// Which objects of a kind are watched. Kinds with many objects of others are filtered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Filter {
    All,
    /// The objects with this label and value.
    Label(&'static str, &'static str),
    /// The object of this name.
    Name(&'static str),
}

/// Which keys to plan after a change of an object. The configuration's status is planned after
/// every change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Concern {
    /// The hub and every cluster.
    Everything,
    /// The hub.
    Hub,
    /// Every cluster.
    Clusters,
    /// The cluster that has the object's name.
    ClusterOfName,
    /// The cluster that has the object's namespace.
    ClusterOfNamespace,
    /// The hub, or the one cluster that the binding exists for.
    HubOrCluster,
    /// The hub, and the cluster that has the object's name.
    HubAndClusterOfName,
    /// Only the configuration's status, or the grant's own status if the object is a grant.
    Status,
}

/// The group and version of an API.
#[derive(Clone, Copy, Debug)]
struct Api(&'static str, &'static str);

#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    api: Api,
    scope: Scope,
    watched: Filter,
    concern: Concern,
}

/// Defines the enum of kinds and the row of each. A kind has the same name as in Kubernetes.
macro_rules! kinds {
    ($($kind:ident: $api:ident, $scope:ident, $watched:ident, $concern:ident;)*) => {
        /// A kind of object.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
        pub(crate) enum Kind {
            $($kind,)*
        }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        name: stringify!($kind),
                        api: $api,
                        scope: Scope::$scope,
                        watched: $watched,
                        concern: Concern::$concern,
                    },)*
                }
            }
        }
    };
}

const OUR_API: Api = Api(gateway::GROUP, gateway::VERSION);
const CLUSTER_V1: Api = Api(cluster::GROUP, "v1");
const CLUSTER_V1BETA1: Api = Api(cluster::GROUP, "v1beta1");
const CLUSTER_V1BETA2: Api = Api(cluster::GROUP, "v1beta2");
/// The hub serves one of two versions, which the operator finds out when it starts.
const ADDON: Api = Api(addon::GROUP, "");
const WORK: Api = Api(work::GROUP, "v1");
const AUTHENTICATION: Api = Api(authentication::GROUP, "v1beta1");
const CERTIFICATES: Api = Api("certificates.k8s.io", "v1");
const RBAC_API: Api = Api(RBAC, "v1");
const REGISTRATION: Api = Api("apiregistration.k8s.io", "v1");
const CORE: Api = Api("", "v1");
const APPS: Api = Api("apps", "v1");
const POLICY: Api = Api("policy", "v1");
const DISCOVERY: Api = Api("discovery.k8s.io", "v1");
const ADMISSION: Api = Api("admissionregistration.k8s.io", "v1");

const ALL: Filter = Filter::All;
const OURS: Filter = Filter::Label(MANAGED_BY, MANAGER);
const OUR_ADDON: Filter = Filter::Label(addon::ADDON_LABEL, GATEWAY);
const OUR_SERVICE: Filter = Filter::Label(SERVICE_NAME, SERVICE);
const OUR_RECORD: Filter = Filter::Name(gateway::ACCESS_RECORD);
const DERIVING: Filter = Filter::Name(DERIVING_ROLE);
const OUR_API_SERVICE: Filter = Filter::Name(API_SERVICE);

kinds! {
    // Kind: its API, where its objects are, which are watched, what a change concerns.
    GatewayConfiguration: OUR_API, Cluster, ALL, Everything;
    AccessGrant: OUR_API, Cluster, ALL, Status;
    ManagedCluster: CLUSTER_V1, Cluster, ALL, ClusterOfName;
    ManagedClusterSet: CLUSTER_V1BETA2, Cluster, ALL, Clusters;
    ManagedClusterSetBinding: CLUSTER_V1BETA2, Namespaces, ALL, Clusters;
    PlacementDecision: CLUSTER_V1BETA1, Namespaces, ALL, Clusters;
    ClusterManagementAddOn: ADDON, Cluster, ALL, Everything;
    ManagedClusterAddOn: ADDON, Namespaces, ALL, ClusterOfNamespace;
    AddOnDeploymentConfig: ADDON, Namespaces, ALL, Clusters;
    ManifestWork: WORK, Namespaces, OUR_ADDON, ClusterOfNamespace;
    ManagedServiceAccount: AUTHENTICATION, Namespaces, ALL, ClusterOfNamespace;
    ConfigMap: CORE, Namespaces, OUR_RECORD, ClusterOfNamespace;
    CertificateSigningRequest: CERTIFICATES, Cluster, OUR_ADDON, ClusterOfNamespace;
    ClusterRole: RBAC_API, Cluster, DERIVING, Status;
    ClusterRoleBinding: RBAC_API, Cluster, OURS, HubOrCluster;
    RoleBinding: RBAC_API, Namespaces, OURS, HubOrCluster;
    APIService: REGISTRATION, Cluster, OUR_API_SERVICE, Hub;
    // Also those of clusters, which others create.
    Namespace: CORE, Cluster, ALL, HubAndClusterOfName;
    ServiceAccount: CORE, Server, OURS, Hub;
    // Agents are told where the gateway is. Secrets hold what they verify it with and who signs
    // their certificates, so a change concerns every cluster.
    Secret: CORE, Server, OURS, Everything;
    Service: CORE, Server, OURS, Everything;
    Deployment: APPS, Server, OURS, Hub;
    PodDisruptionBudget: POLICY, Server, OURS, Hub;
    EndpointSlice: DISCOVERY, Server, OUR_SERVICE, Hub;
    // There are few of them.
    ValidatingAdmissionPolicy: ADMISSION, Cluster, ALL, Everything;
    ValidatingAdmissionPolicyBinding: ADMISSION, Cluster, ALL, Everything;
}

impl Kind {
    /// The name of the kind as manifests spell it.
    pub(crate) const fn as_str(self) -> &'static str {
        self.row().name
    }

    pub(crate) fn is_namespaced(self) -> bool {
        self.row().scope != Scope::Cluster
    }

    /// True for kinds that are watched only in the namespace of the gateway server.
    pub(crate) fn is_of_server(self) -> bool {
        self.row().scope == Scope::Server
    }

    pub(crate) const fn watched(self) -> Filter {
        self.row().watched
    }

    pub(crate) const fn concern(self) -> Concern {
        self.row().concern
    }

    /// The API resource of the kind. The add-on API has one of two versions.
    pub(crate) fn resource(self, addons: addon::Version) -> ApiResource {
        let Row { name, api, .. } = self.row();
        let Api(group, version) = api;
        let version = if group == addon::GROUP {
            addons.as_str()
        } else {
            version
        };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, name))
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

    /// The key of an object that was read.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_where_the_api_server_has_it() {
        let paths = Kind::ALL.iter().map(|kind| {
            let resource = kind.resource(addon::Version::V1beta1);
            format!(
                "{}/{} {}",
                resource.api_version, resource.plural, resource.kind
            )
        });
        insta::assert_json_snapshot!(paths.collect::<Vec<_>>());
    }
}
