//! The server's rights on the hub: to review tokens and access, to read grants, managed clusters
//! and the token Secrets of one name, and to use the Secrets of the manual mode.

use crds::gateway::{CredentialsType, GatewayConfigurationSpec, IdentityType, Server};
use serde_json::{Value, json};

use crate::{
    kind::{Kind, ObjectKey, RBAC},
    names::{CREDENTIALS, SERVER},
    plan::Desired,
};

/// What pods in a namespace may do.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
/// The shipped role.
const ROLE: &str = include_str!("../../../../../config/gateway/rbac.yaml");

pub(super) fn all(spec: &GatewayConfigurationSpec) -> impl Iterator<Item = Desired> {
    let namespace = spec.server.namespace.as_str();
    let mut all: Vec<_> = [namespace, CREDENTIALS].map(made).into();
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
    let role: Value = serde_saphyr::from_str(ROLE).expect("a file of ours");
    let rules = needed(&role["rules"], spec);
    if !rules.is_empty() {
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        let key = |kind| ObjectKey::global(kind, name);
        let body = json!({"rules": rules});
        all.push(Desired::new(key(Kind::ClusterRole), body));
        all.push(bound(key(Kind::ClusterRoleBinding), "ClusterRole", name));
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

/// The rules that the configuration needs. The named Secrets are those of its account.
fn needed(rules: &Value, spec: &GatewayConfigurationSpec) -> Vec<Value> {
    let derives = spec.credentials.kind == CredentialsType::ManagedServiceAccount;
    let account = &spec.credentials.managed_service_account.name;
    let rules = rules.as_array().into_iter().flatten();
    let is_needed = |rule: &&Value| {
        if rule["apiGroups"][0] == crds::gateway::GROUP || rule["resources"][0] == "configmaps" {
            spec.identity.kind == IdentityType::Impersonate
        } else {
            derives
        }
    };
    let mut needed: Vec<_> = rules.filter(is_needed).cloned().collect();
    for rule in &mut needed {
        if rule["resources"][0] == "secrets" {
            rule["resourceNames"] = json!([account]);
        }
    }
    needed
}

fn binding(kind: &str, role: &str, subjects: &Value) -> Value {
    json!({
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": subjects,
    })
}
