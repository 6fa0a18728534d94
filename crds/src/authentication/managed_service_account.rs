//! `ManagedServiceAccount`: an account on a managed cluster. Its token is stored in a Secret of the
//! same name on the hub, and renewed before it expires.

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, CustomResourceExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The upstream default of 360 days.
const DEFAULT_VALIDITY: &str = "8640h0m0s";

/// Settings of the account and its tokens.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "authentication.open-cluster-management.io",
    version = "v1beta1",
    kind = "ManagedServiceAccount",
    doc = "ManagedServiceAccount is an account on the managed cluster whose namespace it is in. Its token is \
           kept in a Secret of the same name in that namespace, and renewed before it expires.",
    namespaced,
    status = "ManagedServiceAccountStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name": "Reported", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"TokenReported\")].status", "description": "Whether the Secret holds a valid token"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"TokenReported\")].reason", "description": "Reason for that", "priority": 1}"#,
    printcolumn = r#"{"name": "Validity", "type": "string", "jsonPath": ".spec.rotation.validity", "description": "Requested lifetime of tokens"}"#,
    printcolumn = r#"{"name": "Expires", "type": "string", "jsonPath": ".status.expirationTimestamp", "description": "When the token in the Secret expires"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Time since the account was created"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ManagedServiceAccountSpec {
    /// How tokens are renewed.
    pub rotation: Rotation,
    /// Audiences of the token. Defaults to the API server of the managed cluster. A token for other
    /// audiences is not accepted there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub audiences: Vec<String>,
    /// Number of seconds after which the account and its token are deleted, counted from the creation of
    /// the account. Defaults to never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub ttl_seconds_after_creation: Option<i32>,
}

/// How tokens are renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// Ignored, because tokens are always renewed. The field exists for manifests that set it.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Requested lifetime of tokens, e.g. 24h or 1h30m; at least 10m. Defaults to 8640h. The managed cluster
    /// may issue tokens with a shorter lifetime.
    #[serde(default = "default_validity")]
    #[schemars(schema_with = "validity")]
    pub validity: String,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            enabled: enabled(),
            validity: default_validity(),
        }
    }
}

/// The observed state of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedServiceAccountStatus {
    /// Conditions: `SecretCreated` if the Secret exists, and `TokenReported` if it holds a valid token.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Time when the token in the Secret expires, as the managed cluster issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_timestamp: Option<Time>,
    /// Generation of the account that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The Secret that holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<TokenSecretRef>,
}

/// The Secret that holds the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSecretRef {
    /// Name of the Secret, which is the name of the account. It is in the same namespace.
    pub name: String,
    /// Time when the token was written to the Secret.
    pub last_refresh_timestamp: Time,
}

fn enabled() -> bool {
    true
}

fn default_validity() -> String {
    DEFAULT_VALIDITY.to_owned()
}

fn validity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "default": DEFAULT_VALIDITY,
        "pattern": "^([0-9]+(\\.[0-9]+)?(ns|us|\u{b5}s|ms|s|m|h))+$",
        "x-kubernetes-validations": [{
            "rule": "duration(self) >= duration('10m')",
            "message": "must be at least 10m, because API servers issue no shorter tokens",
        }],
    })
}

/// The CRD. It includes the version of older clients, which has the same schema.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = ManagedServiceAccount::crd();
    let mut older = crd.spec.versions[0].clone();
    "v1alpha1".clone_into(&mut older.name);
    older.storage = false;
    older.deprecated = Some(true);
    older.deprecation_warning = Some(
        "authentication.open-cluster-management.io/v1alpha1 ManagedServiceAccount is deprecated; \
         use v1beta1"
            .to_owned(),
    );
    crd.spec.versions.insert(0, older);
    crd
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_upstream_writes_and_writes_it_back() {
        let json = json!({
            "apiVersion": "authentication.open-cluster-management.io/v1beta1",
            "kind": "ManagedServiceAccount",
            "metadata": { "name": "gateway", "namespace": "managed1" },
            "spec": {
                "rotation": { "enabled": true, "validity": "8640h0m0s" },
                "ttlSecondsAfterCreation": 60,
            },
            "status": {
                "conditions": [{
                    "type": "TokenReported",
                    "status": "True",
                    "reason": "TokenReported",
                    "message": "",
                    "lastTransitionTime": "2024-05-01T10:00:00Z",
                }],
                "expirationTimestamp": "2025-04-26T10:00:00Z",
                "tokenSecretRef": {
                    "name": "gateway",
                    "lastRefreshTimestamp": "2024-05-01T10:00:00Z",
                },
            },
        });
        let account: ManagedServiceAccount = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&account).unwrap(), json);
    }

    #[test]
    fn a_validity_that_makes_no_sense_spoils_no_list() {
        let account: ManagedServiceAccount = serde_json::from_value(json!({
            "metadata": { "name": "x" },
            "spec": { "rotation": { "validity": "banana" } },
        }))
        .unwrap();
        assert_eq!(account.spec.rotation.validity, "banana");
        assert!(account.spec.rotation.enabled);
    }

    #[test]
    fn both_versions_are_served_and_the_newer_one_is_stored() {
        let crd = crd();
        let versions: Vec<_> = crd.spec.versions.iter().collect();
        let names: Vec<_> = versions
            .iter()
            .map(|version| (version.name.as_str(), version.served, version.storage))
            .collect();
        assert_eq!(names, [("v1alpha1", true, false), ("v1beta1", true, true)]);
        assert_eq!(versions[0].schema, versions[1].schema);
    }
}
