//! What a gateway server tells the operator about itself.

use serde::{Deserialize, Serialize};

use super::Identity;

/// The path of a gateway server where it serves its settings to anybody.
pub const SETTINGS_PATH: &str = "/settings";

/// The settings of a running gateway server that the operator has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerSettings {
    /// Its version.
    pub version: String,
    /// Who callers are on managed clusters.
    pub identity: Identity,
    /// Whether the hub's RBAC also decides what they may do there.
    #[serde(default)]
    pub inner_authorization: bool,
}
