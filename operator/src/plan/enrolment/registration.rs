//! The identity of a cluster's agent at the hub, and its rights there. They are bound to exactly
//! that identity, and must be in place before the add-on's status says so.

use crds::addon::{Driver, KubeClient, REGISTRATION_APPLIED, Subject};
use serde_json::{Value, json};

use super::selected_cluster::SelectedCluster;
use crate::{
    guard::Policy,
    kind::{Kind, ObjectKey, RBAC},
    names::{AGENT, FOR_CLUSTER, GATEWAY, TOKENS_ROLE, TUNNEL_ROLE},
    plan::{Desired, Finding, Plan},
};

/// The registration of the agent, and its progress.
pub(super) struct Registered {
    pub(super) client: KubeClient,
    /// Whether its rights are in place.
    pub(super) finding: Finding,
}

/// Plans the agent's rights, and reports whether they are in place.
pub(super) fn plan(cluster: &SelectedCluster<'_>, plan: &mut Plan) -> Registered {
    let client = client(cluster);
    let writes = plan.actions.len();
    let known = bindable(cluster.name, &client).map(str::to_owned);
    match &known {
        Some(user) => rights(cluster, &client, user, plan),
        None => withdraw(cluster, plan),
    }
    let in_place = plan.actions.len() == writes;
    let (holds, reason, message) = match (known, in_place) {
        (None, _) => (
            false,
            "PermissionConfigPending",
            "the managed cluster has not reported the user of its agent yet",
        ),
        (Some(_), _) if is_withheld(cluster) => (
            false,
            "PermissionConfigPending",
            "the hub does not judge which Secrets the agent writes; see condition AgentsGuarded of the \
             GatewayConfiguration",
        ),
        (Some(_), false) => (
            false,
            "PermissionConfigPending",
            "the agent's rights are being bound",
        ),
        (Some(_), true) => (
            true,
            "SetPermissionApplied",
            "the agent's rights are bound to its user",
        ),
    };
    let finding = Finding {
        kind: REGISTRATION_APPLIED,
        holds,
        reason,
        message: message.to_owned(),
    };
    Registered { client, finding }
}

/// The registration for the add-on's status. If agents use tokens, the managed cluster writes the
/// name, and the operator keeps it. [`bindable`] decides whether that name is accepted.
fn client(cluster: &SelectedCluster<'_>) -> KubeClient {
    let registered = cluster.row().and_then(|(_, status)| status.kube_client());
    match registered {
        Some(client) if client.driver == Some(Driver::Token) => client,
        registered => KubeClient {
            subject: subject(cluster.name),
            driver: registered.and_then(|client| client.driver),
        },
    }
}

/// The names in the certificate of a cluster's agent.
pub(super) fn subject(cluster: &str) -> Subject {
    let own = format!("system:open-cluster-management:cluster:{cluster}:addon:{GATEWAY}");
    Subject {
        user: format!("{own}:agent:{AGENT}"),
        groups: vec![own, own_group_of_all(), "system:authenticated".to_owned()],
    }
}

/// The names in the agent's certificate for the gateway's own entrance. It has the user only,
/// because groups are not checked there.
pub(super) fn tunnel_subject(cluster: &str) -> Subject {
    Subject {
        groups: Vec::new(),
        ..subject(cluster)
    }
}

/// The group of all agents that use certificates.
pub(crate) fn own_group_of_all() -> String {
    format!("system:open-cluster-management:addon:{GATEWAY}")
}

/// The user to bind rights to. A name in the add-on's status counts only if it is the agent's own,
/// because the managed cluster may write that status too.
fn bindable<'a>(cluster: &str, client: &'a KubeClient) -> Option<&'a str> {
    let user = client.subject.user.as_str();
    let own = match client.driver {
        Some(Driver::Token) => format!("system:serviceaccount:{cluster}:{GATEWAY}-agent"),
        Some(Driver::Csr) | None => subject(cluster).user,
    };
    (user == own).then_some(user)
}

/// Plans the rights in the cluster's namespace, and the rights at the gateway for agents that are
/// not in the common group.
fn rights(cluster: &SelectedCluster<'_>, client: &KubeClient, user: &str, plan: &mut Plan) {
    let observed = cluster.observed;
    let key = tokens_binding(cluster.name);
    if cluster.handles_tokens() {
        if !is_withheld(cluster) {
            plan.want(
                observed,
                Desired::new(key, binding(cluster.name, TOKENS_ROLE, user)),
            );
        }
    } else {
        plan.unwanted(observed, &key);
    }
    let key = tunnel_binding(cluster.name);
    if client.driver == Some(Driver::Token) {
        plan.want(
            observed,
            Desired::new(key, binding(cluster.name, TUNNEL_ROLE, user)),
        );
    } else {
        plan.unwanted(observed, &key);
    }
}

/// True if the agent gets no rights on Secrets for now. RBAC cannot say which Secrets are its own, so
/// these rights are given only while an admission policy says it. An agent that has them keeps them,
/// so that an upgrade, which changes the policy before the operator, takes no cluster's tokens away.
fn is_withheld(cluster: &SelectedCluster<'_>) -> bool {
    let observed = cluster.observed;
    cluster.handles_tokens()
        && !observed.guard(Policy::Agents).is_in_force()
        && observed.object(&tokens_binding(cluster.name)).is_none()
}

fn withdraw(cluster: &SelectedCluster<'_>, plan: &mut Plan) {
    for key in [tokens_binding(cluster.name), tunnel_binding(cluster.name)] {
        plan.unwanted(cluster.observed, &key);
    }
}

pub(super) fn tokens_binding(cluster: &str) -> ObjectKey {
    ObjectKey::new(Kind::RoleBinding, cluster, TOKENS_ROLE)
}

pub(super) fn tunnel_binding(cluster: &str) -> ObjectKey {
    ObjectKey::global(
        Kind::ClusterRoleBinding,
        &format!("{TUNNEL_ROLE}:{cluster}"),
    )
}

fn binding(cluster: &str, role: &str, user: &str) -> Value {
    json!({
        "metadata": {"labels": {FOR_CLUSTER: cluster}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    })
}
