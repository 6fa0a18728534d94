//! What the server may do on the hub: ask who somebody is and what he may, read the managed clusters and
//! the token Secrets of one name, and the Secrets of the manual mode.

use crds::gateway::{CredentialsType, GatewayConfigurationSpec};
use serde_json::{Value, json};

use crate::{
    kind::{Kind, ObjectKey},
    names::{CREDENTIALS, SERVER},
    plan::Desired,
};

const RBAC: &str = "rbac.authorization.k8s.io";
/// The role that is shipped.
const MANAGED_CLUSTERS: &str = include_str!("../../../../config/gateway/rbac.yaml");

pub(super) fn all(spec: &GatewayConfigurationSpec) -> impl Iterator<Item = Desired> {
    let namespace = spec.server.namespace.as_str();
    let mut all: Vec<_> = [namespace, CREDENTIALS]
        .map(|name| Desired::new(ObjectKey::global(Kind::Namespace, name), json!({})))
        .into();
    let account = ObjectKey::new(Kind::ServiceAccount, namespace, SERVER);
    let secrets = json!({"rules": [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]},
    ]});
    let in_credentials = |kind| ObjectKey::new(kind, CREDENTIALS, SERVER);
    let reader = "extension-apiserver-authentication-reader";
    let delegator = format!("{SERVER}-delegator");
    let subject = json!([{"kind": "ServiceAccount", "name": SERVER, "namespace": namespace}]);
    let bound = |key, kind: &str, role: &str| Desired::new(key, binding(kind, role, &subject));
    all.extend([
        Desired::new(account, json!({})),
        bound(
            ObjectKey::global(Kind::ClusterRoleBinding, &delegator),
            "ClusterRole",
            "system:auth-delegator",
        ),
        bound(
            ObjectKey::new(Kind::RoleBinding, "kube-system", SERVER),
            "Role",
            reader,
        ),
        Desired::new(in_credentials(Kind::Role), secrets),
        bound(in_credentials(Kind::RoleBinding), "Role", SERVER),
    ]);
    if spec.credentials.kind == CredentialsType::ManagedServiceAccount {
        let role: Value = serde_saphyr::from_str(MANAGED_CLUSTERS).expect("a file of ours");
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        let rules = of_account(
            &role["rules"],
            &spec.credentials.managed_service_account.name,
        );
        let key = |kind| ObjectKey::global(kind, name);
        all.push(Desired::new(
            key(Kind::ClusterRole),
            json!({"rules": rules}),
        ));
        all.push(bound(key(Kind::ClusterRoleBinding), "ClusterRole", name));
    }
    all.into_iter()
}

/// The Secrets that are named are those of the account.
fn of_account(rules: &Value, account: &str) -> Value {
    let mut rules = rules.clone();
    for rule in rules.as_array_mut().into_iter().flatten() {
        if let Some(names) = rule.get_mut("resourceNames") {
            *names = json!([account]);
        }
    }
    rules
}

fn binding(kind: &str, role: &str, subjects: &Value) -> Value {
    json!({
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": subjects,
    })
}
