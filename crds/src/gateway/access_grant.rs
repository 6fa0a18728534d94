//! `AccessGrant`: which users of the hub may do what on which managed clusters.

mod choice;
mod grant_group;
mod status;
mod subject;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::rbac::v1::PolicyRule,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{CustomResource, CustomResourceExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use self::{
    choice::ClusterChoice,
    grant_group::GRANT_GROUP_PREFIX,
    status::{AccessGrantStatus, ClusterGrant, GrantCounts, GrantState, Judgement, REMOVING},
    subject::{GROUP_MEMBER, OnHub, Subject, SubjectKind, USER_EXTRA},
};
use super::PlacementReference;
use crate::go_duration;

/// Spokeway's finalizer. It is removed once the grant is removed from all clusters.
pub const GRANT_FINALIZER: &str = "gateway.open-cluster-management.io/revocation";

/// Who may do what on which managed clusters, for how long.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.open-cluster-management.io",
    version = "v1alpha1",
    category = "spokeway",
    kind = "AccessGrant",
    doc = "AccessGrant gives users of the hub rights on managed clusters. To create or change one, you need \
           the verb grant on the clustergateways of its clusters.",
    status = "AccessGrantStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name": "Role", "type": "string", "jsonPath": ".spec.role.clusterRole", "description": "ClusterRole of the managed clusters that is granted"}"#,
    printcolumn = r#"{"name": "Clusters", "type": "integer", "jsonPath": ".status.clusters.total", "description": "Number of selected clusters"}"#,
    printcolumn = r#"{"name": "Applied", "type": "integer", "jsonPath": ".status.clusters.applied", "description": "Number of clusters where the grant is in effect"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the grant is in effect on all of its clusters"}"#,
    printcolumn = r#"{"name": "Expires", "type": "string", "jsonPath": ".status.expiresAt", "description": "Time when the grant ends"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message", "description": "What is missing", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Time since the grant was created"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.namespaces) || !has(self.role.rules) || self.role.rules.all(r, !has(r.nonResourceURLs))",
        "message": "nonResourceURLs cannot be granted in namespaces: remove spec.namespaces or the URLs",
    },
]))]
pub struct AccessGrantSpec {
    /// Clusters that the grant is for: those that match the names, the selector or any of the placements.
    pub clusters: GrantClusters,
    /// Users, groups and accounts that get the role.
    #[schemars(length(min = 1, max = 64))]
    pub subjects: Vec<Subject>,
    /// What the subjects may do.
    pub role: GrantRole,
    /// Namespaces that the role is limited to. Defaults to the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<GrantNamespaces>,
    /// How long the grant lasts, counted from its creation, e.g. 8h or 1h30m. Defaults to no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "expiry")]
    pub expires_after: Option<String>,
}

/// The clusters of a grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.selector) || (has(self.names) && size(self.names) > 0) || (has(self.placements) && size(self.placements) > 0)",
    "message": "say which clusters: set names, selector ({} selects every cluster) or placements",
}]))]
pub struct GrantClusters {
    /// Names of managed clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub names: Vec<String>,
    /// Selects clusters by the labels of their `ManagedCluster`. An empty selector selects every cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::selector")]
    pub selector: Option<LabelSelector>,
    /// Selects the clusters in the decisions of any of these placements, if a `ManagedClusterSetBinding` in
    /// the namespace of the placement binds a set of the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub placements: Vec<PlacementReference>,
}

/// The role of a grant: either a `ClusterRole` or rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.clusterRole) != has(self.rules)",
    "message": "say either role.clusterRole, the name of a ClusterRole that the clusters have, or role.rules",
}]))]
pub struct GrantRole {
    /// Name of a `ClusterRole` that exists on the managed clusters, e.g. view, edit, admin or cluster-admin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[^/%]+$"))]
    pub cluster_role: Option<String>,
    /// Rules of a role that is created on the managed clusters for this grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub rules: Option<Vec<PolicyRule>>,
}

/// The namespaces of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantNamespaces {
    /// Names of the namespaces.
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 63),
            regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
        )
    )]
    pub names: Vec<String>,
    /// Whether missing namespaces are created. They stay when the grant ends. Defaults to false.
    #[serde(default)]
    pub create: bool,
}

impl AccessGrant {
    /// When the grant ends. `None` if it does not. A grant with an invalid `expiresAfter` has ended
    /// already.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let lives = self.spec.expires_after.as_ref()?;
        let begin = self.metadata.creation_timestamp.as_ref();
        let begin = begin.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        let lives = go_duration::parse(lives).unwrap_or(Duration::ZERO);
        Some(begin.checked_add(lives).unwrap_or(Timestamp::MAX))
    }

    /// True if the grant has ended at `now`, or is being deleted.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.metadata.deletion_timestamp.is_some()
            || self.expires_at().is_some_and(|end| end <= now)
    }
}

fn expiry(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
        "x-kubernetes-validations": [{
            "rule": "duration(self) > duration('0s')",
            "message": "must be longer than 0s, e.g. 8h",
        }],
    })
}

/// The CRD.
pub fn grant_crd() -> CustomResourceDefinition {
    AccessGrant::crd()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grant(more: &serde_json::Value) -> AccessGrant {
        let mut grant = json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
            "metadata": {"name": "g", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {
                "clusters": {"names": ["managed1"]},
                "subjects": [{"kind": "User", "name": "alice"}],
                "role": {"clusterRole": "view"},
            },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            grant["spec"][field] = value.clone();
        }
        serde_json::from_value(grant).unwrap()
    }

    #[test]
    fn ends_when_it_says_and_at_once_where_that_makes_no_sense() {
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(grant(&json!({})).expires_at(), None);
        let hours = grant(&json!({"expiresAfter": "8h"}));
        let end: Timestamp = "2026-01-01T08:00:00Z".parse().unwrap();
        assert_eq!(hours.expires_at(), Some(end));
        assert!(!hours.is_over(begin) && hours.is_over(end));
        assert!(grant(&json!({"expiresAfter": "soon"})).is_over(begin));
    }

    #[test]
    fn reads_what_is_documented() {
        let grant = grant(&json!({
            "clusters": {"selector": {"matchLabels": {"env": "prod"}}, "placements": [{"namespace": "a", "name": "b"}]},
            "subjects": [{"kind": "Gateway"}, {"kind": "ServiceAccount", "namespace": "ci", "name": "bot"}],
            "role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
            "namespaces": {"names": ["shop"], "create": true},
        }));
        assert_eq!(grant.spec.subjects[1].kind, SubjectKind::ServiceAccount);
        assert!(grant.spec.namespaces.unwrap().create);
    }
}
