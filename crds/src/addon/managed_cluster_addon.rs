//! The status of a `ManagedClusterAddOn`, which describes an add-on on one cluster. It is read in
//! both versions, which have different forms of registrations.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CLIENT_SIGNER, DEPLOYMENT_CONFIGS, GROUP, Version};

/// The status of an add-on on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedClusterAddOnStatus {
    /// The conditions of the add-on.
    pub conditions: Vec<Condition>,
    /// The namespace on the cluster that has its lease and its credentials for the hub.
    pub namespace: String,
    /// The configurations that the add-on should have.
    pub config_references: Vec<ConfigReference>,
    registrations: Vec<Registration>,
    kube_client_driver: String,
}

/// The identity of an add-on's agent at the hub, and how the agent proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeClient {
    /// The names of the agent.
    pub subject: Subject,
    /// How the agent proves its identity. `None` until the managed cluster has reported it.
    pub driver: Option<Driver>,
}

/// How an agent proves its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// With a client certificate.
    Csr,
    /// With the token of a `ServiceAccount` of the hub.
    Token,
}

/// The names of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// The user name.
    pub user: String,
    /// The groups. Empty if the agent uses a token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A configuration that an add-on should have on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigReference {
    /// The API group of the configuration.
    pub group: String,
    /// The resource of the configuration.
    pub resource: String,
    /// The state that the hub wants.
    pub desired_config: Option<ConfigSpecHash>,
}

/// A configuration in a specific state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigSpecHash {
    /// The namespace. Empty if the resource is cluster-scoped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The hash of the state.
    pub spec_hash: String,
}

/// The fields of both versions: a type and its settings, or a signer and a subject.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Registration {
    #[serde(rename = "type")]
    kind: String,
    kube_client: Option<NewKubeClient>,
    signer_name: String,
    subject: Subject,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct NewKubeClient {
    subject: Subject,
    driver: Option<Driver>,
}

impl ManagedClusterAddOnStatus {
    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == kind)
    }

    /// True if the condition of this type is True.
    pub fn is(&self, kind: &str) -> bool {
        self.condition(kind)
            .is_some_and(|condition| condition.status == "True")
    }

    /// The registration of its agent at the hub's API server.
    pub fn kube_client(&self) -> Option<KubeClient> {
        self.registrations.iter().find_map(|registration| {
            if let Some(client) = &registration.kube_client
                && registration.kind == "kubeClient"
            {
                return Some(KubeClient {
                    subject: client.subject.clone(),
                    driver: client.driver,
                });
            }
            (registration.signer_name == CLIENT_SIGNER).then(|| KubeClient {
                subject: registration.subject.clone(),
                driver: match self.kube_client_driver.as_str() {
                    "csr" => Some(Driver::Csr),
                    "token" => Some(Driver::Token),
                    _ => None,
                },
            })
        })
    }

    /// The state of an `AddOnDeploymentConfig` that the add-on should have.
    pub fn desired_deployment_config(&self) -> Option<&ConfigSpecHash> {
        let mut references = self.config_references.iter();
        let own = references.find(|it| it.group == GROUP && it.resource == DEPLOYMENT_CONFIGS);
        own?.desired_config.as_ref()
    }
}

impl KubeClient {
    /// The registration in the form of this version.
    pub fn registration(&self, version: Version) -> Value {
        let Self { subject, driver } = self;
        match version {
            Version::V1alpha1 => json!({"signerName": CLIENT_SIGNER, "subject": subject}),
            Version::V1beta1 => {
                let mut client = json!({"subject": subject});
                if let Some(driver) = driver {
                    client["driver"] = json!(driver);
                }
                json!({"type": "kubeClient", "kubeClient": client})
            }
        }
    }
}

impl Subject {
    /// The registration of an agent with these names, an organizational unit, and a signer of the
    /// add-on's own.
    pub fn registration_with(&self, signer: &str, unit: &str, version: Version) -> Value {
        let mut with_signer = json!({"signerName": signer, "subject": self});
        match version {
            Version::V1alpha1 => {
                with_signer["subject"]["organizationUnit"] = json!([unit]);
                with_signer
            }
            Version::V1beta1 => {
                with_signer["subject"]["organizationUnits"] = json!([unit]);
                json!({"type": "customSigner", "customSigner": with_signer})
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> KubeClient {
        KubeClient {
            subject: Subject {
                user: "u".to_owned(),
                groups: vec!["g".to_owned()],
            },
            driver: Some(Driver::Token),
        }
    }

    #[test]
    fn reads_what_each_version_writes() {
        for version in [Version::V1alpha1, Version::V1beta1] {
            let status = json!({
                "registrations": [client().registration(version)],
                "kubeClientDriver": "token",
            });
            let status: ManagedClusterAddOnStatus = serde_json::from_value(status).unwrap();
            assert_eq!(status.kube_client(), Some(client()), "{version:?}");
        }
    }

    #[test]
    fn a_signer_of_somebody_else_is_no_client_of_the_hub() {
        let versions = [Version::V1alpha1, Version::V1beta1];
        let subject = client().subject;
        let both =
            versions.map(|version| subject.registration_with("example.com/other", "x", version));
        assert_eq!(
            both[0],
            json!({
                "signerName": "example.com/other",
                "subject": {"user": "u", "groups": ["g"], "organizationUnit": ["x"]},
            })
        );
        assert_eq!(
            both[1]["customSigner"]["subject"],
            json!({"user": "u", "groups": ["g"], "organizationUnits": ["x"]})
        );
        let status = json!({"registrations": both});
        let status: ManagedClusterAddOnStatus = serde_json::from_value(status).unwrap();
        assert_eq!(status.kube_client(), None);
    }
}
