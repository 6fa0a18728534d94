//! The security contexts that the Pod Security Standard `restricted` asks for.

use serde_json::{Value, json};

/// The `securityContext` of a pod.
pub fn pod() -> Value {
    json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
}

/// The `securityContext` of a container; it also cannot write to its own file system.
pub fn container() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
    })
}
