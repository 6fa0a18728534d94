//! The gateway server if the operator runs it, and the rotation of its keys.

mod peers;

use crds::{
    addon::{DEFAULT_NAMESPACE, Version},
    gateway::ServerDeployment,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::model::Hub;
use crate::{
    key::Key,
    kind::{Kind, ObjectKey, SERVICE_NAME},
    names::{
        API_SERVICE, AUTHORITY, CREDENTIALS, DERIVING_ROLE, SERVER, SERVICE, SERVING,
        TUNNEL_AUTHORITY, WORK,
    },
    object::is_ours,
    plan::{
        Action,
        pki::{AUTHORITY_LIVES, LEAF_LIVES},
    },
};

const NAMESPACE: &str = "spokeway-system";

fn managed() -> Hub {
    let mut hub = Hub::new(Version::V1beta1);
    hub.install();
    hub.configure(&json!({"server": {"deployment": "Managed"}}));
    hub.settle();
    hub
}

fn endpoint(hub: &mut Hub, ready: bool) {
    endpoint_of(hub, SERVICE, ready);
}

fn endpoint_of(hub: &mut Hub, service: &str, ready: bool) {
    let key = ObjectKey::new(Kind::EndpointSlice, NAMESPACE, &format!("{service}-1"));
    let slice = json!({
        "metadata": {"labels": {SERVICE_NAME: service}},
        "endpoints": [{"conditions": {"ready": ready}}],
    });
    hub.write(&key, &slice);
    hub.settle();
}

/// The hub's aggregator notices that the gateway does not answer.
fn missed(hub: &mut Hub) {
    let condition = json!({
        "type": "Available", "status": "False", "reason": "MissingEndpoints",
        "lastTransitionTime": format!("{:.0}", hub.now),
    });
    let key = ObjectKey::global(Kind::APIService, API_SERVICE);
    hub.write(&key, &json!({"status": {"conditions": [condition]}}));
}

fn secret(hub: &Hub, name: &str) -> Value {
    let key = ObjectKey::new(Kind::Secret, NAMESPACE, name);
    hub.observed.object(&key).unwrap().data["data"].clone()
}

fn registered(hub: &Hub) -> Option<Value> {
    let object = hub
        .observed
        .object(&ObjectKey::global(Kind::APIService, API_SERVICE))?;
    Some(object.data["spec"]["caBundle"].clone())
}

#[test]
fn all_that_the_server_needs_is_there() {
    let hub = managed();
    let all = Kind::ALL
        .iter()
        .copied()
        .flat_map(|kind| hub.observed.all(kind));
    let all = all.filter(|(key, it)| is_ours(it) && key.kind != Kind::Secret);
    let all: Vec<_> = all
        .filter(|(key, _)| key.kind.is_of_server() || key.name.starts_with(SERVER))
        .map(|(key, it)| json!({"of": key.to_string(), "says": it.data}))
        .collect();
    insta::assert_json_snapshot!(all);
}

#[test]
fn another_number_of_replicas_leaves_the_pods_that_there_are() {
    let mut hub = managed();
    let key = ObjectKey::new(Kind::Deployment, NAMESPACE, SERVER);
    let spec = |hub: &Hub| hub.observed.object(&key).unwrap().data["spec"].clone();
    let mut wanted = spec(&hub);
    hub.configure(&json!({"server": {"deployment": "Managed", "replicas": 5}}));
    hub.settle();
    wanted["replicas"] = json!(5);
    assert_eq!(spec(&hub), wanted);
}

#[test]
fn a_service_whose_protocol_is_not_spoken_is_not_exposed_and_that_is_said() {
    let mut hub = managed();
    let service = |name: &str, protocol: &str| json!({"namespace": "web", "name": name, "port": 443, "protocol": protocol});
    hub.configure(&json!({
        "server": {"deployment": "Managed"},
        "egress": {"exposedServices": [service("a", "HTTPS"), service("b", "HTTP")]},
    }));
    hub.accept("managed1", &json!({}));
    hub.settle();
    let key = ObjectKey::new(Kind::Deployment, NAMESPACE, SERVER);
    let work = ObjectKey::new(Kind::ManifestWork, "managed1", WORK);
    for key in [key, work] {
        let said = hub.whole(&key, hub.observed.object(&key).unwrap());
        let said = said.to_string();
        assert!(said.contains("--expose=web/b:443"), "{said}");
        assert!(!said.contains("web/a:443"), "{said}");
    }
    let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
    let status = hub.observed.object(&key).unwrap().data["status"].to_string();
    assert!(status.contains("ProtocolNotSpoken"), "{status}");
    assert!(status.contains("web/a:443"), "{status}");
}

#[test]
fn images_are_pulled_with_the_secrets_of_the_configuration_and_the_one_that_klusterlets_copy() {
    let mut hub = managed();
    hub.configure(&json!({
        "server": {"deployment": "Managed", "imagePullSecrets": [{"name": "registry"}]},
        "agents": {"imagePullSecrets": [{"name": "mirror"}]},
    }));
    hub.accept("managed1", &json!({}));
    hub.settle();
    let key = ObjectKey::new(Kind::Deployment, NAMESPACE, SERVER);
    let pod = &hub.observed.object(&key).unwrap().data["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
    let work = ObjectKey::new(Kind::ManifestWork, "managed1", WORK);
    let work = hub.whole(&work, hub.observed.object(&work).unwrap());
    let manifests = work["spec"]["workload"]["manifests"].as_array().unwrap();
    let of = |kind: &str| manifests.iter().find(|it| it["kind"] == kind).unwrap();
    assert_eq!(
        of("Deployment")["spec"]["template"]["spec"]["imagePullSecrets"],
        json!([{"name": "open-cluster-management-image-pull-credentials"}, {"name": "mirror"}])
    );
    // The klusterlet copies its Secret into namespaces with this label.
    let namespace = &of("Namespace")["metadata"];
    assert_eq!(namespace["name"], DEFAULT_NAMESPACE);
    assert_eq!(
        namespace["labels"],
        json!({"addon.open-cluster-management.io/namespace": "true"})
    );
}

#[test]
fn its_own_namespaces_have_the_strictest_pod_security_and_those_of_others_none() {
    let security = |hub: &Hub, name: &str| {
        let key = ObjectKey::global(Kind::Namespace, name);
        let labels = hub.observed.object(&key).unwrap().metadata.labels.clone();
        labels.unwrap().remove("pod-security.kubernetes.io/enforce")
    };
    let mut hub = managed();
    for name in [NAMESPACE, CREDENTIALS] {
        assert_eq!(security(&hub, name).as_deref(), Some("restricted"));
    }
    hub.configure(&json!({"server": {"deployment": "Managed", "namespace": "shared"}}));
    hub.settle();
    assert_eq!(security(&hub, "shared"), None);
}

/// The arguments of the gateway that begin like this.
fn arguments(hub: &Hub, begin: &str) -> Vec<String> {
    let key = ObjectKey::new(Kind::Deployment, NAMESPACE, SERVER);
    let object = hub.observed.object(&key).unwrap();
    let containers = &object.data["spec"]["template"]["spec"]["containers"];
    let all = containers[0]["args"].as_array().unwrap().iter();
    let all = all.filter_map(|it| it.as_str().map(str::to_owned));
    all.filter(|it| it.starts_with(begin)).collect()
}

#[test]
fn the_addresses_that_an_administrator_allows_reach_the_gateway() {
    let mut hub = managed();
    assert_eq!(arguments(&hub, "--egress"), ["--egress=auto"]);
    hub.configure(&json!({
        "server": {"deployment": "Managed"},
        "egress": {"type": "Direct", "addresses": ["10.0.0.0/8", "2001:db8::/32"]},
    }));
    hub.settle();
    let ranges = ["10.0.0.0/8", "2001:db8::/32"].map(|it| format!("--egress-address={it}"));
    assert_eq!(arguments(&hub, "--egress")[0], "--egress=direct");
    assert_eq!(arguments(&hub, "--egress")[1..], ranges);
}

#[test]
fn what_callers_may_do_without_the_hubs_api_server_reaches_the_gateway() {
    let mut hub = managed();
    for flag in ["--direct-access", "--inner-authorization"] {
        assert!(arguments(&hub, flag).is_empty());
    }
    hub.configure(&json!({
        "server": {"deployment": "Managed", "directAccess": {"enabled": true}},
        "access": {"innerAuthorization": {"enabled": true}},
    }));
    hub.settle();
    for flag in ["--direct-access", "--inner-authorization"] {
        assert_eq!(arguments(&hub, flag), [flag]);
    }
}

#[test]
fn the_limits_that_an_administrator_sets_reach_the_gateway() {
    let mut hub = managed();
    let begins = [
        "--breaker",
        "--max-",
        "--queue",
        "--request",
        "--tunnel-memory",
        "--response-header",
    ];
    let limits = |hub: &Hub| begins.map(|begin| arguments(hub, begin)).concat();
    assert!(limits(&hub).is_empty());
    hub.configure(&json!({
        "server": {"deployment": "Managed"},
        "limits": {"requestTimeout": 1, "tunnelMemory": 64, "requestsPerUser": 3, "longRequests": 4,
            "upgradesPerUser": 5, "upgrades": 6, "shortRequestsPerUser": 7, "shortRequests": 8,
            "shortRequestsTotal": 9, "queuedRequestsPerUser": 0, "queuedRequests": 10, "queueTimeout": 11,
            "requestsPerSecondPerUser": 0, "requestBurstPerUser": 12, "requestsPerSecond": 13,
            "requestBurst": 14, "breakerFailures": 0, "breakerPause": 15},
    }));
    hub.settle();
    let wanted = [
        "--breaker-failures=0",
        "--breaker-pause=15",
        "--max-requests-per-user=3",
        "--max-long-requests=4",
        "--max-upgrades-per-user=5",
        "--max-upgrades=6",
        "--max-short-requests-per-user=7",
        "--max-short-requests=8",
        "--max-short-requests-total=9",
        "--max-queued-requests-per-user=0",
        "--max-queued-requests=10",
        "--queue-timeout=11",
        "--requests-per-second-per-user=0",
        "--request-burst-per-user=12",
        "--requests-per-second=13",
        "--request-burst=14",
        "--tunnel-memory-per-cluster=64",
        "--response-header-timeout=1",
    ];
    assert_eq!(limits(&hub), wanted);
}

#[test]
fn it_may_read_what_its_configuration_takes_and_nothing_else() {
    let (derived, manual) = ("ManagedServiceAccount", "Manual");
    let (grants, clusters) = (
        "spokeway-gateway-grants",
        "spokeway-gateway-managed-clusters",
    );
    for (credentials, identity, wanted) in [
        (derived, "Impersonate", vec![grants, clusters]),
        (derived, "ServiceAccount", vec![clusters]),
        (manual, "Impersonate", vec![grants]),
        (manual, "ServiceAccount", vec![]),
    ] {
        let mut hub = managed();
        hub.configure(&json!({
            "server": {"deployment": "Managed"},
            "credentials": {"type": credentials}, "identity": {"type": identity},
        }));
        hub.settle();
        let bindings = hub.observed.all(Kind::ClusterRoleBinding);
        let bindings = bindings.filter(|(key, _)| key.name.starts_with(SERVER));
        let roles = bindings.map(|(_, it)| it.data["roleRef"]["name"].as_str().unwrap());
        let roles: Vec<_> = roles.filter(|it| *it != "system:auth-delegator").collect();
        assert_eq!(roles, wanted, "{credentials} {identity}");
    }
}

/// The reason of the condition that says what the server does not get.
fn allowed(hub: &mut Hub, more: &Value) -> String {
    let mut spec = more.clone();
    spec["server"]["deployment"] = "Managed".into();
    hub.configure(&spec);
    hub.settle();
    let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
    let status = hub.observed.object(&key).unwrap().data["status"].clone();
    let conditions = status["conditions"].as_array().unwrap();
    let mut own = conditions
        .iter()
        .filter(|it| it["type"] == "GatewayAllowed");
    own.next().unwrap()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn an_account_whose_tokens_it_may_not_read_is_said() {
    let mut hub = Hub::configured(Version::V1beta1);
    let account = |name: &str| json!({"credentials": {"managedServiceAccount": {"name": name}}});
    assert_eq!(allowed(&mut hub, &account("cluster-gateway")), "AsAsked");
    assert_eq!(allowed(&mut hub, &account("admin")), "AccountNotAllowed");
    let role = ObjectKey::global(Kind::ClusterRole, DERIVING_ROLE);
    let mut rules = hub.observed.object(&role).unwrap().data["rules"].clone();
    let rules_of_role = rules.as_array_mut().unwrap();
    let mut of_secrets = rules_of_role
        .iter_mut()
        .filter(|it| it["resources"] == json!(["secrets"]));
    of_secrets.next().unwrap()["resourceNames"] = json!(["cluster-gateway", "admin"]);
    hub.write(&role, &json!({"rules": rules}));
    assert_eq!(allowed(&mut hub, &account("admin")), "AsAsked");
    hub.observed.forget(&role, hub.now);
    assert_eq!(allowed(&mut hub, &account("admin")), "RoleMissing");
}

#[test]
fn only_an_image_that_the_operator_was_told_of_runs() {
    let mut hub = Hub::configured(Version::V1beta1);
    let own = "ghcr.io/spokeway/gateway-server:v1";
    for (image, reason, runs) in [
        (own, "AsAsked", own),
        ("local:5000/mirror", "AsAsked", "local:5000/mirror"),
        ("local:5000/mirror:v2", "AsAsked", "local:5000/mirror:v2"),
        (
            "local:5000/mirror/a@sha256:00",
            "AsAsked",
            "local:5000/mirror/a@sha256:00",
        ),
        (
            "local:5000/mirror:v2@sha256:00",
            "AsAsked",
            "local:5000/mirror:v2@sha256:00",
        ),
        ("local:5000/mirrors:v1", "ImageNotAllowed", own),
        ("local:5000/mirrors@sha256:00", "ImageNotAllowed", own),
        // The operator was not told of this digest.
        (
            "ghcr.io/spokeway/gateway-server:v1@sha256:00",
            "ImageNotAllowed",
            own,
        ),
        ("evil.example.com/x", "ImageNotAllowed", own),
    ] {
        let image = json!({"server": {"image": image}});
        assert_eq!(allowed(&mut hub, &image), reason, "{image}");
        let key = ObjectKey::new(Kind::Deployment, NAMESPACE, SERVER);
        let deployment = &hub.observed.object(&key).unwrap().data;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], runs);
    }
}

#[test]
fn its_place_in_the_api_comes_with_an_endpoint_and_stays_for_as_long_as_an_administrator_says() {
    for (server, seconds) in [
        (json!({"deployment": "Managed"}), 300),
        (
            json!({"deployment": "Managed", "withdrawAfter": "30m"}),
            1800,
        ),
    ] {
        let mut hub = managed();
        hub.configure(&json!({"server": server}));
        hub.settle();
        assert_eq!(registered(&hub), None);
        endpoint(&mut hub, true);
        assert!(registered(&hub).is_some());
        endpoint(&mut hub, false);
        // Nobody knows yet since when.
        assert!(registered(&hub).is_some());
        missed(&mut hub);
        let ends = hub.now + SignedDuration::from_secs(seconds);
        assert_eq!(hub.plan(&Key::Hub).wake, Some(ends));
        hub.pass(seconds - 1);
        hub.restart();
        hub.settle();
        assert!(registered(&hub).is_some());
        hub.pass(1);
        hub.settle();
        assert_eq!(registered(&hub), None);
        endpoint(&mut hub, true);
        assert!(registered(&hub).is_some());
    }
}

#[test]
fn somebody_who_turns_off_verification_does_not_keep_it_off() {
    let mut hub = managed();
    endpoint(&mut hub, true);
    let key = ObjectKey::global(Kind::APIService, API_SERVICE);
    hub.write(
        &key,
        &json!({"spec": {"insecureSkipTLSVerify": true, "caBundle": null}}),
    );
    hub.settle();
    let spec = &hub.observed.object(&key).unwrap().data["spec"];
    assert_eq!(spec["insecureSkipTLSVerify"], false);
    assert!(spec["caBundle"].is_string());
}

/// An operator that runs elsewhere outlives the namespace.
#[test]
fn a_server_of_others_has_no_place_in_the_api_once_its_namespace_is_gone() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.settle();
    assert!(registered(&hub).is_some());
    let key = ObjectKey::global(Kind::Namespace, NAMESPACE);
    hub.observed.forget(&key, hub.now);
    hub.settle();
    assert_eq!(registered(&hub), None);
}

/// Without a gateway the `APIService` blocks the deletion of every namespace of the hub, and the operator
/// goes with its namespace.
#[test]
fn its_place_in_the_api_goes_as_soon_as_its_namespace_is_deleted() {
    for configuration_too in [false, true] {
        let mut hub = managed();
        endpoint(&mut hub, true);
        hub.accept("managed1", &json!({}));
        hub.settle();
        assert!(registered(&hub).is_some());
        if configuration_too {
            hub.remove(&ObjectKey::global(Kind::GatewayConfiguration, "default"));
        }
        let key = ObjectKey::global(Kind::Namespace, NAMESPACE);
        let since = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        hub.write(&key, &since);
        let plan = hub.plan(&Key::Hub);
        // Whatever else would be written there is refused.
        assert!(
            matches!(&plan.actions[..], [Action::Delete { key, .. }] if key.kind == Kind::APIService),
            "{plan:?}"
        );
        hub.turn(&Key::Hub);
        assert_eq!(registered(&hub), None);
        hub.observed.forget(&key, hub.now);
        if !configuration_too {
            hub.settle();
            assert!(registered(&hub).is_some());
        }
    }
}

#[test]
fn an_authority_is_trusted_before_a_certificate_of_it_serves() {
    let mut hub = managed();
    endpoint(&mut hub, true);
    let (first, leaf) = (secret(&hub, AUTHORITY), secret(&hub, SERVING));
    let bundle = registered(&hub).unwrap();
    hub.now += AUTHORITY_LIVES * 2 / 3;
    hub.settle();
    // The leaf is old too, so the old authority renews it.
    let both = secret(&hub, AUTHORITY);
    assert_eq!(both["ca.crt"], first["ca.crt"]);
    assert!(both["next.crt"].is_string());
    assert_ne!(registered(&hub).unwrap(), bundle);
    let renewed = secret(&hub, SERVING);
    assert_ne!(renewed, leaf);

    hub.pass(301);
    hub.settle();
    let promoted = secret(&hub, AUTHORITY);
    assert_eq!(promoted["ca.crt"], both["next.crt"]);
    assert_eq!(promoted["retired.crt"], first["ca.crt"]);
    assert_ne!(secret(&hub, SERVING), renewed);

    // A retired authority is trusted until it expires, and no longer.
    let trusted = registered(&hub).unwrap();
    hub.now += AUTHORITY_LIVES / 3 + SignedDuration::from_hours(1);
    hub.settle();
    assert_ne!(registered(&hub).unwrap(), trusted);
}

#[test]
fn a_certificate_is_renewed_in_time_and_what_is_lost_or_expired_is_made_anew() {
    let mut hub = managed();
    let leaf = secret(&hub, SERVING);
    hub.now += LEAF_LIVES / 2;
    hub.settle();
    assert_eq!(secret(&hub, SERVING), leaf);
    hub.now += LEAF_LIVES / 4;
    hub.settle();
    assert_ne!(secret(&hub, SERVING), leaf);
    for name in [SERVING, AUTHORITY] {
        let before = secret(&hub, name);
        hub.remove(&ObjectKey::new(Kind::Secret, NAMESPACE, name));
        hub.settle();
        assert_ne!(secret(&hub, name), before);
    }
    let before = secret(&hub, AUTHORITY);
    hub.now += AUTHORITY_LIVES * 2;
    hub.settle();
    assert_ne!(secret(&hub, AUTHORITY)["ca.crt"], before["ca.crt"]);
}

#[test]
fn an_authority_that_is_lost_is_trusted_until_it_ends_and_its_successor_before_it_serves() {
    let mut hub = managed();
    endpoint(&mut hub, true);
    let (lost, leaf) = (secret(&hub, AUTHORITY), secret(&hub, SERVING));
    hub.remove(&ObjectKey::new(Kind::Secret, NAMESPACE, AUTHORITY));
    hub.turn(&Key::Hub);
    let made = secret(&hub, AUTHORITY);
    assert_eq!(made["retired.crt"], lost["ca.crt"]);
    // The new authority is trusted in this turn. Its first certificate comes after that.
    let before = registered(&hub).unwrap();
    hub.turn(&Key::Hub);
    assert_ne!(registered(&hub).unwrap(), before);
    assert_eq!(secret(&hub, SERVING), leaf);
    hub.settle();
    assert_ne!(secret(&hub, SERVING), leaf);
    // If the Secret is lost again, everything that was trusted stays trusted.
    hub.remove(&ObjectKey::new(Kind::Secret, NAMESPACE, AUTHORITY));
    hub.settle();
    let bundle = registered(&hub).unwrap();
    let k8s_openapi::ByteString(bundle) = serde_json::from_value(bundle).unwrap();
    let certificates = String::from_utf8(bundle).unwrap();
    assert_eq!(certificates.matches("BEGIN CERTIFICATE").count(), 3);
    hub.now += AUTHORITY_LIVES * 2;
    hub.settle();
    assert!(secret(&hub, AUTHORITY)["retired.crt"].is_null());
}

#[test]
fn no_key_is_in_a_plan_that_is_printed() {
    let mut hub = managed();
    hub.remove(&ObjectKey::new(Kind::Secret, NAMESPACE, SERVING));
    let plan = hub.plan(&Key::Hub);
    assert!(
        plan.actions
            .iter()
            .any(|it| matches!(it, Action::Issue { .. }))
    );
    let printed = format!("{plan:?}{}", serde_json::to_string(&plan).unwrap());
    assert!(!printed.contains("PRIVATE KEY"), "{printed}");
}

#[test]
fn a_server_that_something_else_runs_has_nothing_of_ours() {
    let mut hub = managed();
    hub.configure(&json!({"server": {"deployment": "External"}}));
    hub.settle();
    assert_eq!(
        hub.observed.configuration().unwrap().spec.server.deployment,
        ServerDeployment::External
    );
    let kinds = [
        Kind::Deployment,
        Kind::Secret,
        Kind::Service,
        Kind::ServiceAccount,
    ];
    let left = kinds.into_iter().flat_map(|kind| hub.observed.all(kind));
    assert_eq!(left.count(), 0);
    let bindings = hub.observed.all(Kind::ClusterRoleBinding);
    assert!(
        bindings
            .into_iter()
            .all(|(key, _)| !key.name.starts_with(SERVER))
    );
}

#[test]
fn a_server_that_moves_leaves_nothing_where_it_was() {
    let entrance = json!({"type": "LoadBalancer"});
    let mut hub = Hub::new(Version::V1beta1);
    hub.install();
    let server = |namespace: &str| json!({"deployment": "Managed", "namespace": namespace});
    hub.configure(&json!({"server": server(NAMESPACE), "egress": {"entrypoint": entrance}}));
    hub.settle();
    let all = [AUTHORITY, SERVING, TUNNEL_AUTHORITY];
    let has = |hub: &Hub, namespace: &str| {
        all.map(|name| {
            let key = ObjectKey::new(Kind::Secret, namespace, name);
            hub.observed
                .object(&key)
                .or_else(|| hub.elsewhere.get(&key))
                .is_some()
        })
    };
    assert_eq!(has(&hub, NAMESPACE), [true; 3]);
    for namespace in ["gateways", NAMESPACE] {
        let from = hub.observed.home().to_owned();
        hub.configure(&json!({"server": server(namespace)}));
        // Wherever it is interrupted, the next process goes on.
        hub.turn(&Key::Hub);
        hub.restart();
        hub.settle();
        assert_eq!(hub.observed.home(), namespace);
        assert_eq!(has(&hub, namespace), [true; 3]);
        assert_eq!(has(&hub, &from), [false; 3]);
        assert!(hub.elsewhere.is_empty(), "{:?}", hub.elsewhere.keys());
        let bindings = hub.observed.within(Kind::RoleBinding, &from);
        assert_eq!(bindings.count(), 0);
    }
}

#[test]
fn a_server_does_not_leave_before_the_operator_may_write_where_it_goes() {
    let mut hub = managed();
    let server = json!({"deployment": "Managed", "namespace": "gateways"});
    hub.configure(&json!({"server": server}));
    let plan = hub.plan(&Key::Hub);
    let firsts: Vec<_> = plan.actions.iter().map(Action::kind).collect();
    assert_eq!(firsts[..2], [Kind::Namespace, Kind::ServiceAccount]);
    let mut removals = plan.actions.iter().skip(2);
    assert!(
        removals.all(|it| matches!(it, Action::Delete { .. })),
        "{plan:?}"
    );
}

#[test]
fn on_a_hub_that_manages_itself_the_bindings_of_its_grants_are_left_alone() {
    let mut hub = managed();
    let ours = json!({"metadata": {"labels": {
        crate::names::MANAGED_BY: crate::names::MANAGER,
    }}});
    let bindings = [
        (Kind::RoleBinding, "shop", "spokeway:grant:g:0123"),
        (Kind::ClusterRoleBinding, "", "spokeway:grant:g:0123"),
        (
            Kind::ClusterRoleBinding,
            "",
            "spokeway:gateway-impersonation",
        ),
    ];
    let bindings = bindings.map(|(kind, namespace, name)| ObjectKey::new(kind, namespace, name));
    for key in &bindings {
        hub.write(key, &ours);
    }
    hub.settle();
    for key in &bindings {
        assert!(hub.observed.object(key).is_some(), "{key}");
    }
}
