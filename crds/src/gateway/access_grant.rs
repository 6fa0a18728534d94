//! `AccessGrant`: who of the hub may do what on which managed clusters.

mod choice;
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
    status::{AccessGrantStatus, ClusterGrant, GrantCounts, GrantState, REMOVING},
    subject::{
        GROUP_MEMBER, ON_CLUSTER_PREFIX, OnCluster, Subject, SubjectKind, USER_EXTRA, on_cluster,
    },
};
use super::PlacementReference;
use crate::go_duration;

/// Finalizer, ours: what was shipped goes before the grant does.
pub const GRANT_FINALIZER: &str = "gateway.open-cluster-management.io/revocation";

/// Who may do what on which managed clusters, for how long.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.open-cluster-management.io",
    version = "v1alpha1",
    kind = "AccessGrant",
    doc = "AccessGrant gives users of the hub rights on managed clusters. Whoever makes or changes one needs \
           the verb grant on clustergateways of its clusters.",
    status = "AccessGrantStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name": "Role", "type": "string", "jsonPath": ".spec.role.clusterRole", "description": "The ClusterRole of the managed clusters that is granted"}"#,
    printcolumn = r#"{"name": "Clusters", "type": "integer", "jsonPath": ".status.clusters.total", "description": "Clusters that it is for"}"#,
    printcolumn = r#"{"name": "Applied", "type": "integer", "jsonPath": ".status.clusters.applied", "description": "Clusters where it holds"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether it holds on all of them"}"#,
    printcolumn = r#"{"name": "Expires", "type": "string", "jsonPath": ".status.expiresAt", "description": "When it ends"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message", "description": "What is missing", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "How old the grant is"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.namespaces) || !has(self.role.rules) || self.role.rules.all(r, !has(r.nonResourceURLs))",
        "message": "nonResourceURLs cannot be granted within namespaces: leave out spec.namespaces, or the URLs",
    },
]))]
pub struct AccessGrantSpec {
    /// On which clusters: those that are named, and those that the selector or any of the placements
    /// chooses.
    pub clusters: GrantClusters,
    /// Who gets it.
    #[schemars(length(min = 1, max = 64))]
    pub subjects: Vec<Subject>,
    /// What they may do.
    pub role: GrantRole,
    /// Where they may do it: in the whole cluster where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<GrantNamespaces>,
    /// For how long, from the grant's creation on; for good where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "expiry")]
    pub expires_after: Option<String>,
}

/// The clusters of a grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.selector) || (has(self.names) && size(self.names) > 0) || (has(self.placements) && size(self.placements) > 0)",
    "message": "say which clusters: by names, by a selector ({} is every cluster) or by placements",
}]))]
pub struct GrantClusters {
    /// By name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub names: Vec<String>,
    /// By labels of the `ManagedCluster`; an empty selector is every cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// By decisions of placements, so far as their namespace is bound to a set of the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub placements: Vec<PlacementReference>,
}

/// What a grant allows: one of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.clusterRole) != has(self.rules)",
    "message": "say either role.clusterRole, a ClusterRole that the clusters have, or role.rules",
}]))]
pub struct GrantRole {
    /// A `ClusterRole` that the clusters have: view, edit, admin, cluster-admin, or one of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[^/%]+$"))]
    pub cluster_role: Option<String>,
    /// Rules that are brought to the clusters as a role of the grant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub rules: Option<Vec<PolicyRule>>,
}

/// The namespaces of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantNamespaces {
    /// Their names.
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 63),
            regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
        )
    )]
    pub names: Vec<String>,
    /// Whether those that are missing are made. They stay when the grant ends.
    #[serde(default)]
    pub create: bool,
}

impl AccessGrant {
    /// When it ends; nothing where it does not. One whose `expiresAfter` makes no sense has ended.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let lives = self.spec.expires_after.as_ref()?;
        let begin = self.metadata.creation_timestamp.as_ref();
        let begin = begin.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        let lives = go_duration::parse(lives).unwrap_or(Duration::ZERO);
        Some(begin.checked_add(lives).unwrap_or(Timestamp::MAX))
    }

    /// True where it has ended by then, or is being deleted.
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
            "message": "must be longer than nothing: write 8h, say",
        }],
    })
}

/// The definition.
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
