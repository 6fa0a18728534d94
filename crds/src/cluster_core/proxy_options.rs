//! `ClusterGatewayProxyOptions`: the kind that discovery lists for `clustergateways/proxy`. No
//! object of this kind is ever sent: the path comes from the rest of the URL, and the other options
//! from the query.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The query parameters of a proxied request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterGatewayProxyOptions {
    /// Path of the request on the managed cluster, such as "api/v1/namespaces".
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether the request acts on the managed cluster as the caller, not as the gateway's account.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub impersonate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_values_are_left_out() {
        let options: ClusterGatewayProxyOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(serde_json::to_string(&options).unwrap(), "{}");
        let json = r#"{"path":"healthz","impersonate":true}"#;
        let options: ClusterGatewayProxyOptions = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&options).unwrap(), json);
    }
}
