//! Who a cluster's agent is at the hub, and its rights there: bound to exactly that name, and in place
//! before the row says so.

use crds::addon::{Driver, KubeClient, REGISTRATION_APPLIED, Subject};
use serde_json::{Value, json};

use super::selected_cluster::{Capability, SelectedCluster};
use crate::{
    kind::{Kind, ObjectKey, RBAC},
    names::{AGENT, GATEWAY, TOKENS_ROLE, TUNNEL_ROLE},
    plan::{Desired, Finding, Plan},
};

/// Label of an object of the hub as a whole that is there for one cluster.
pub(crate) const FOR_CLUSTER: &str = "gateway.open-cluster-management.io/cluster";

/// How far the agent's registration is.
pub(super) struct Registered {
    pub(super) client: KubeClient,
    /// Whether its rights are in place.
    pub(super) finding: Finding,
}

/// Wants the agent's rights, and says whether they are in place.
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

/// The registration that the row is to have. With tokens the managed cluster says the name, and we
/// leave that alone; whether it is believed is another matter.
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

/// The names of a cluster's agent in its certificate.
pub(super) fn subject(cluster: &str) -> Subject {
    let own = format!("system:open-cluster-management:cluster:{cluster}:addon:{GATEWAY}");
    Subject {
        user: format!("{own}:agent:{AGENT}"),
        groups: vec![own, own_group_of_all(), "system:authenticated".to_owned()],
    }
}

/// The names of a cluster's agent in its certificate for the gateway's own entrance: its user, for nobody
/// looks at groups there.
pub(super) fn tunnel_subject(cluster: &str) -> Subject {
    Subject {
        groups: Vec::new(),
        ..subject(cluster)
    }
}

/// The group that all agents with certificates have.
pub(crate) fn own_group_of_all() -> String {
    format!("system:open-cluster-management:addon:{GATEWAY}")
}

/// The user to bind rights to. A managed cluster may write its row's status, so that a name there
/// counts only where it is its own.
fn bindable<'a>(cluster: &str, client: &'a KubeClient) -> Option<&'a str> {
    let user = client.subject.user.as_str();
    let own = match client.driver {
        Some(Driver::Token) => format!("system:serviceaccount:{cluster}:{GATEWAY}-agent"),
        Some(Driver::Csr) | None => subject(cluster).user,
    };
    (user == own).then_some(user)
}

/// Rights in the cluster's namespace, and for agents without the common group at the gateway.
fn rights(cluster: &SelectedCluster<'_>, client: &KubeClient, user: &str, plan: &mut Plan) {
    let observed = cluster.observed;
    let key = tokens_binding(cluster.name);
    if cluster.tokens == Capability::Ours {
        plan.want(
            observed,
            Desired::new(key, binding(cluster.name, TOKENS_ROLE, user)),
        );
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
