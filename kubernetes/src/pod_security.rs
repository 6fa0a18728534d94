//! The security contexts that the Pod Security Standard `restricted` requires.

use serde_json::{Value, json};

/// The `securityContext` of a pod.
pub fn pod() -> Value {
    json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
}

/// The `securityContext` of a container, which also makes its root file system read-only.
pub fn container() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
    })
}
