//! The objects that a hub needs for a gateway: its rights, its Service and its `APIService`.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{
    api::{
        core::v1::{Namespace, Service},
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use super::{GatewayError, NAMESPACE, READY_WITHIN, SERVICE, USER};
use crate::{
    cluster::{Cluster, apply, create_if_absent},
    eventually,
    process::Process,
};

const API_SERVICE: &str = "v1alpha1.cluster.core.oam.dev";
/// The roles that are shipped.
const SHIPPED: &str = include_str!("../../../config/gateway/rbac.yaml");
/// Those of them that are not for one namespace.
const DERIVING: [&str; 2] = [
    "spokeway-gateway-managed-clusters",
    "spokeway-gateway-grants",
];
/// The one for the namespace of the manual mode.
const CREDENTIALS: &str = "spokeway-gateway-credentials";
const RBAC: &str = "rbac.authorization.k8s.io";
/// The aggregator checks again by itself only every 30 s, but at once when the `APIService`
/// changes.
const NUDGE_EVERY: Duration = Duration::from_millis(500);

/// Gives [`USER`] the rights that a gateway needs, and no others.
pub(super) async fn grant(hub: &Cluster, secrets: &str) -> Result<(), GatewayError> {
    let client = hub.client();
    let namespaces = Api::<Namespace>::all(client.clone());
    for name in [NAMESPACE, secrets] {
        let created = create_if_absent(&namespaces, name).await;
        created.map_err(refused(format!("Namespace {name}")))?;
    }
    let delegator = binding("ClusterRole", "system:auth-delegator");
    put(
        &Api::<ClusterRoleBinding>::all(client.clone()),
        USER,
        delegator,
    )
    .await?;
    let reader = binding("Role", "extension-apiserver-authentication-reader");
    put(
        &Api::<RoleBinding>::namespaced(client.clone(), "kube-system"),
        USER,
        reader,
    )
    .await?;
    let shipped: Vec<Value> = serde_saphyr::from_multiple(SHIPPED).expect("a file of ours");
    let mut shipped = shipped.into_iter();
    let credentials = shipped.find(|role| role["metadata"]["name"] == CREDENTIALS);
    let rules = credentials.map(|role| json!({"rules": role["rules"]}));
    put(
        &Api::<Role>::namespaced(client.clone(), secrets),
        USER,
        rules.expect("it is shipped"),
    )
    .await?;
    put(
        &Api::<RoleBinding>::namespaced(client, secrets),
        USER,
        binding("Role", USER),
    )
    .await
}

/// Gives [`USER`] the shipped roles that a gateway needs to derive clusters and identities.
pub(super) async fn grant_shipped(hub: &Cluster) -> Result<(), GatewayError> {
    let shipped: Vec<Value> = serde_saphyr::from_multiple(SHIPPED).expect("a file of ours");
    for role in shipped {
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        if !DERIVING.contains(&name) {
            continue;
        }
        let (roles, bindings) = (Api::all(hub.client()), Api::all(hub.client()));
        put::<ClusterRole>(&roles, name, role.clone()).await?;
        let bound = binding("ClusterRole", name);
        put::<ClusterRoleBinding>(&bindings, name, bound).await?;
    }
    Ok(())
}

/// Creates a Service on the hub for what listens on `port`.
pub(super) async fn serve(hub: &Cluster, port: u16) -> Result<(), GatewayError> {
    let services = Api::<Service>::namespaced(hub.client(), NAMESPACE);
    // Endpoints cannot contain loopback addresses, but a name can stand for one.
    let service = json!({"spec": {
        "type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}],
    }});
    put(&services, SERVICE, service).await
}

/// Registers what listens on `port`, and waits until the aggregator reports it as available or the
/// process ends.
pub(crate) async fn register(
    hub: &Cluster,
    port: u16,
    ca_pem: &str,
    process: &Process,
) -> Result<(), GatewayError> {
    serve(hub, port).await?;
    let registrations = Api::<APIService>::all(hub.client());
    let spec = json!({
        "group": "cluster.core.oam.dev",
        "version": "v1alpha1",
        "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
        "caBundle": STANDARD.encode(ca_pem),
        "groupPriorityMinimum": 5000,
        "versionPriority": 10,
    });
    let mut attempt = 0_u32;
    let available = || {
        attempt += 1;
        let nudge = json!({"spokeway.e2e/attempt": attempt.to_string()});
        let body = json!({"metadata": {"annotations": nudge}, "spec": spec});
        let registrations = &registrations;
        async move {
            put(registrations, API_SERVICE, body)
                .await
                .map_err(|error| error.to_string())?;
            let seen = || async { availability(registrations).await };
            let seen = eventually(NUDGE_EVERY, "APIService available", seen).await;
            seen.map_err(|elapsed| elapsed.to_string())
        }
    };
    Ok(process.ready(READY_WITHIN, available).await?)
}

pub(super) async fn is_registered(hub: &Cluster) -> Result<bool, GatewayError> {
    let found = Api::<APIService>::all(hub.client())
        .get_opt(API_SERVICE)
        .await;
    Ok(found.map_err(refused(API_SERVICE.to_owned()))?.is_some())
}

pub(super) async fn unregister(hub: &Cluster) -> Result<(), GatewayError> {
    let registrations = Api::<APIService>::all(hub.client());
    match registrations
        .delete(API_SERVICE, &DeleteParams::default())
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        deleted => deleted.map(drop).map_err(refused(API_SERVICE.to_owned())),
    }
}

/// Applies an object. An error names it.
pub(crate) async fn put<K>(api: &Api<K>, name: &str, body: Value) -> Result<(), GatewayError>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let object = format!("{} {name}", K::kind(&()));
    apply(api, name, body).await.map_err(refused(object))
}

pub(crate) fn refused(object: String) -> impl FnOnce(kube::Error) -> GatewayError {
    |source| GatewayError::Refused {
        object,
        source: Box::new(source),
    }
}

async fn availability(registrations: &Api<APIService>) -> Result<(), String> {
    let found = registrations
        .get(API_SERVICE)
        .await
        .map_err(|error| error.to_string())?;
    let conditions = found
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    let available = conditions
        .into_iter()
        .find(|condition| condition.type_ == "Available");
    match available {
        Some(condition) if condition.status == "True" => Ok(()),
        Some(condition) => Err(condition.message.unwrap_or_default()),
        None => Err("the aggregator has not looked yet".to_owned()),
    }
}

fn binding(kind: &str, role: &str) -> Value {
    json!({
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": USER}],
    })
}
