//! The settings that decide who callers are on managed clusters.

use crds::gateway::{Fallback, Identity, IdentityType, ServerSettings, UserPrefix};

/// Who callers are on managed clusters.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// What precedes the names of users there.
    pub prefix: UserPrefix,
    /// What a caller may do whom no grant names.
    pub fallback: Fallback,
}

/// What the operator has to know about this process, as JSON. Without identities, every caller acts
/// as the gateway's account.
pub(crate) fn settings(identities: Option<&Identities>, inner_authorization: bool) -> String {
    let identity = match identities {
        Some(Identities { prefix, fallback }) => Identity {
            kind: IdentityType::Impersonate,
            user_prefix: prefix.as_str().to_owned(),
            fallback: *fallback,
        },
        None => Identity {
            kind: IdentityType::ServiceAccount,
            ..Identity::default()
        },
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let settings = ServerSettings {
        version,
        identity,
        inner_authorization,
    };
    serde_json::to_string(&settings).expect("its keys are strings")
}
