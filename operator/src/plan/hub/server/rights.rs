//! The server's rights on the hub: to review tokens and access, to read grants, managed clusters
//! and the token Secrets of one name, and to use the Secrets of the manual mode. The roles are shipped
//! with the operator, which may not change them, so the configuration chooses only which it needs.

use crds::gateway::{CredentialsType, GatewayConfigurationSpec, IdentityType, Server};
use serde_json::{Value, json};

use crate::{
    kind::{Kind, ObjectKey, RBAC},
    names::{CREDENTIALS, DERIVING_ROLE, SERVER},
    plan::Desired,
};

/// What pods in a namespace may do.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// What every server has first in its namespace.
pub(in crate::plan::hub) fn first(namespace: &str) -> [Desired; 2] {
    let account = ObjectKey::new(Kind::ServiceAccount, namespace, SERVER);
    [made(namespace), Desired::new(account, json!({}))]
}

pub(super) fn all(spec: &GatewayConfigurationSpec) -> impl Iterator<Item = Desired> {
    let namespace = spec.server.namespace.as_str();
    let mut all: Vec<_> = [namespace, CREDENTIALS].map(made).into();
    let account = ObjectKey::new(Kind::ServiceAccount, namespace, SERVER);
    let subject = json!([{"kind": "ServiceAccount", "name": SERVER, "namespace": namespace}]);
    let bound = |key, kind: &str, role: &str| Desired::new(key, binding(kind, role, &subject));
    let everywhere = |name: &str, role: &str| {
        let key = ObjectKey::global(Kind::ClusterRoleBinding, name);
        bound(key, "ClusterRole", role)
    };
    let within = |namespace| ObjectKey::new(Kind::RoleBinding, namespace, SERVER);
    let reader = "extension-apiserver-authentication-reader";
    let credentials = format!("{SERVER}-credentials");
    all.extend([
        Desired::new(account, json!({})),
        everywhere(&format!("{SERVER}-delegator"), "system:auth-delegator"),
        bound(within("kube-system"), "Role", reader),
        bound(within(CREDENTIALS), "ClusterRole", &credentials),
    ]);
    if spec.credentials.kind == CredentialsType::ManagedServiceAccount {
        all.push(everywhere(DERIVING_ROLE, DERIVING_ROLE));
    }
    if spec.identity.kind == IdentityType::Impersonate {
        let grants = format!("{SERVER}-grants");
        all.push(everywhere(&grants, &grants));
    }
    all.into_iter()
}

/// A namespace. The strictest pod security is for those of ours only, because in a namespace of
/// another name there may be pods of others.
fn made(name: &str) -> Desired {
    let body = if name == CREDENTIALS || name == Server::default().namespace {
        json!({"metadata": {"labels": {POD_SECURITY: "restricted"}}})
    } else {
        json!({})
    };
    Desired::new(ObjectKey::global(Kind::Namespace, name), body)
}

fn binding(kind: &str, role: &str, subjects: &Value) -> Value {
    json!({
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": subjects,
    })
}
