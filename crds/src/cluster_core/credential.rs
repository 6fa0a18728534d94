//! The type of the credential that the gateway uses on a cluster. The types here have no space for
//! a token or a key, so no object built from them can leak one.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};

/// What the gateway logs in to a cluster with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CredentialType {
    /// A bearer token.
    ServiceAccountToken,
    /// A client certificate and its key.
    X509Certificate,
    /// Whatever a credential plugin answers.
    Dynamic,
}

impl CredentialType {
    /// The name in JSON and in the label
    /// [`CREDENTIAL_TYPE_LABEL`](super::secret::CREDENTIAL_TYPE_LABEL).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccountToken => "ServiceAccountToken",
            Self::X509Certificate => "X509Certificate",
            Self::Dynamic => "Dynamic",
        }
    }
}

impl fmt::Display for CredentialType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CredentialType {
    type Err = UnknownCredentialType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [
            Self::ServiceAccountToken,
            Self::X509Certificate,
            Self::Dynamic,
        ]
        .into_iter()
        .find(|known| known.as_str() == name)
        .ok_or_else(|| UnknownCredentialType(name.to_owned()))
    }
}

/// The name is not a [`CredentialType`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown credential type {0:?}, expected ServiceAccountToken, X509Certificate or Dynamic")]
pub struct UnknownCredentialType(pub String);

/// What kind of credential the gateway logs in to a cluster with; never the credential itself.
///
/// cluster-gateway served tokens and private keys here. Its fields stay in the schema, so that its
/// clients decode ours, but the gateway leaves them out: a client finds an empty token, as
/// it does for the other types, rather than a text that it might send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterCredential {
    /// `ServiceAccountToken`: a bearer token. `X509Certificate`: a client certificate and its key.
    /// `Dynamic`: whatever a credential plugin answers.
    #[serde(rename = "type")]
    pub credential_type: CredentialType,
    /// Never served: the token stays in the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<Redacted>,
    /// Never served: certificate and key stay in the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509: Option<RedactedKeyPair>,
}

impl From<CredentialType> for ClusterCredential {
    /// A credential of which only the type is served.
    fn from(credential_type: CredentialType) -> Self {
        Self {
            credential_type,
            service_account_token: None,
            x509: None,
        }
    }
}

/// The place where cluster-gateway served a client certificate and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedactedKeyPair {
    /// Never served.
    #[schemars(extend("format" = "byte"))]
    pub certificate: Redacted,
    /// Never served.
    #[schemars(extend("format" = "byte"))]
    pub private_key: Redacted,
}

/// Takes the place of a secret. It decodes from any value and does not keep it.
///
/// It encodes as [`Redacted::PLACEHOLDER`], so an object that was read from a cluster-gateway and
/// written elsewhere still shows that there was a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redacted;

impl Redacted {
    /// The placeholder is valid base64, which the fields of an X.509 pair require.
    pub const PLACEHOLDER: &'static str = "REDACTED";
}

impl Serialize for Redacted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::PLACEHOLDER)
    }
}

impl<'de> Deserialize<'de> for Redacted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Redacted {
    fn schema_name() -> Cow<'static, str> {
        "Redacted".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        use CredentialType::{Dynamic, ServiceAccountToken, X509Certificate};
        for known in [ServiceAccountToken, X509Certificate, Dynamic] {
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        // This is the value from cluster-gateway's docs/local-run.md. Its own code rejects it too.
        assert_eq!(
            "X509".parse::<CredentialType>().unwrap_err().to_string(),
            r#"unknown credential type "X509", expected ServiceAccountToken, X509Certificate or Dynamic"#
        );
    }

    #[test]
    fn what_is_served_is_the_type_alone() {
        let served = ClusterCredential::from(CredentialType::X509Certificate);
        assert_eq!(
            serde_json::to_string(&served).unwrap(),
            r#"{"type":"X509Certificate"}"#
        );
    }

    #[test]
    fn secrets_do_not_survive_decoding() {
        let json = r#"{"type":"X509Certificate","serviceAccountToken":"ey.secret",
            "x509":{"certificate":"c2VjcmV0","privateKey":"c2VjcmV0"}}"#;
        let read: ClusterCredential = serde_json::from_str(json).unwrap();
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            r#"{"type":"X509Certificate","serviceAccountToken":"REDACTED","x509":{"certificate":"REDACTED","privateKey":"REDACTED"}}"#
        );
        assert!(!format!("{read:?}").contains("ecret"), "{read:?}");
    }
}
