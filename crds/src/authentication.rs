//! `authentication.open-cluster-management.io`: accounts on managed clusters whose tokens are
//! stored on the hub. The objects, Secrets and `ServiceAccount`s are the same as those of the
//! upstream managed-serviceaccount.

mod managed_service_account;
mod validity;

pub use managed_service_account::{
    ManagedServiceAccount, ManagedServiceAccountSpec, ManagedServiceAccountStatus, Rotation,
    TokenSecretRef, crd,
};
pub use validity::{Validity, ValidityError};

/// API group.
pub const GROUP: &str = "authentication.open-cluster-management.io";

/// Label of the hub's Secrets and the managed cluster's `ServiceAccount`s. `"true"` means that the
/// object belongs to the `ManagedServiceAccount` of the same name. Objects without it belong to
/// somebody else.
pub const LABEL: &str = "authentication.open-cluster-management.io/is-managed-serviceaccount";

/// Spokeway's finalizer. It is removed once the token is revoked on the managed cluster.
pub const FINALIZER: &str = "authentication.open-cluster-management.io/token-revocation";

/// Key of the hub's Secret: the bearer token.
pub const TOKEN_KEY: &str = "token";
/// Key of the hub's Secret: PEM bundle of the managed cluster's API server.
pub const CA_KEY: &str = "ca.crt";

/// Condition: the hub's Secret exists.
pub const SECRET_CREATED: &str = "SecretCreated";
/// Condition: the Secret holds a valid token.
pub const TOKEN_REPORTED: &str = "TokenReported";
