//! `authentication.open-cluster-management.io`: accounts on managed clusters whose tokens the hub
//! holds. Objects, Secrets and `ServiceAccount`s are those of upstream's managed-serviceaccount.

mod managed_service_account;
mod validity;

pub use managed_service_account::{
    ManagedServiceAccount, ManagedServiceAccountSpec, ManagedServiceAccountStatus, Rotation,
    TokenSecretRef, crd,
};
pub use validity::{Validity, ValidityError};

/// API group.
pub const GROUP: &str = "authentication.open-cluster-management.io";

/// Label, `"true"`: on the hub's Secrets and the managed cluster's `ServiceAccount`s that belong to a
/// `ManagedServiceAccount` of the same name. Whatever lacks it is somebody else's.
pub const LABEL: &str = "authentication.open-cluster-management.io/is-managed-serviceaccount";

/// Finalizer, ours: the account goes once its token is dead on the managed cluster.
pub const FINALIZER: &str = "authentication.open-cluster-management.io/token-revocation";

/// Key of the hub's Secret: the bearer token.
pub const TOKEN_KEY: &str = "token";
/// Key of the hub's Secret: PEM bundle of the managed cluster's API server.
pub const CA_KEY: &str = "ca.crt";

/// Condition: the hub's Secret is there.
pub const SECRET_CREATED: &str = "SecretCreated";
/// Condition: the Secret holds a good token.
pub const TOKEN_REPORTED: &str = "TokenReported";
