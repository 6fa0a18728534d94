//! The server's pods and its Services.

use crds::gateway::{CredentialsType, EgressType, GatewayConfigurationSpec, Limits};
use kubernetes::pod_security;
use serde_json::{Value, json};

use super::{allowance, peers};
use crate::{
    kind::{Kind, ObjectKey},
    names::{CREDENTIALS, PEERS, SERVER, SERVICE, SERVING, TUNNEL_BUNDLE, TUNNEL_CLIENTS},
    observed::Observed,
    plan::{
        Desired,
        entrance::{self, PORT as TUNNEL_PORT},
        identity,
    },
};

const PORT: u16 = 9443;
const ADMIN_PORT: u16 = 9440;
/// For how many seconds a server that was told to stop goes on accepting connections: as long as
/// load balancers, agents and other replicas may take to notice.
const SHUTDOWN_DELAY: u32 = 8;
/// How often a pod is asked whether it is ready. The other replicas count it 5 s after it has
/// started, and then agents look for it.
const READY_EVERY: u32 = 2;
/// How many seconds a pod has to end: the delay, 20 seconds for requests in progress, and a margin.
const GRACE: u32 = 45;
const SERVING_DIRECTORY: &str = "/etc/spokeway/serving";
const CLIENTS_DIRECTORY: &str = "/etc/spokeway/clients";

pub(super) fn all<'a>(
    observed: &'a Observed,
    spec: &'a GatewayConfigurationSpec,
) -> impl Iterator<Item = Desired> {
    let key = |kind, name| ObjectKey::new(kind, &spec.server.namespace, name);
    let labels = labels();
    let mut ports = vec![port("https", 443, PORT)];
    if entrance::is_wanted(spec) {
        ports.push(port("tunnel", TUNNEL_PORT, TUNNEL_PORT));
    }
    let service = json!({"spec": {"selector": labels, "ports": ports}});
    let budget = json!({"spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}});
    [
        Desired::new(key(Kind::Service, SERVICE), service),
        Desired::new(key(Kind::Service, PEERS), service_of_peers()),
        Desired::new(key(Kind::Deployment, SERVER), deployment(observed, spec)),
        Desired::new(key(Kind::PodDisruptionBudget, SERVER), budget),
    ]
    .into_iter()
}

/// Replicas also pass requests to a replica that is not ready, because a replica that is ending
/// still has its tunnels.
fn service_of_peers() -> Value {
    json!({"spec": {
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": labels(),
        "ports": [port("peers", peers::PORT, peers::PORT)],
    }})
}

pub(super) fn labels() -> Value {
    json!({"app.kubernetes.io/name": SERVER})
}

fn port(name: &str, port: u16, target: u16) -> Value {
    json!({"name": name, "port": port, "protocol": "TCP", "targetPort": target})
}

fn deployment(observed: &Observed, spec: &GatewayConfigurationSpec) -> Value {
    let labels = labels();
    let server = &spec.server;
    let volume = |name, secret| json!({"name": name, "secret": {"secretName": secret}});
    let mut volumes = vec![volume("serving", SERVING), volume("peers", PEERS)];
    if entrance::is_wanted(spec) {
        volumes.push(volume("clients", TUNNEL_CLIENTS));
    }
    let mut pod = json!({
        "serviceAccountName": SERVER,
        "securityContext": pod_security::pod(),
        "terminationGracePeriodSeconds": GRACE,
        "containers": [container(observed, spec)],
        "volumes": volumes,
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels},
        }],
    });
    if !server.image_pull_secrets.is_empty() {
        pod["imagePullSecrets"] = json!(server.image_pull_secrets);
    }
    let placement = server.node_placement.clone().unwrap_or_default();
    if !placement.node_selector.is_empty() {
        pod["nodeSelector"] = json!(placement.node_selector);
    }
    if !placement.tolerations.is_empty() {
        pod["tolerations"] = json!(placement.tolerations);
    }
    json!({
        "metadata": {"labels": labels},
        "spec": {
            "replicas": server.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
}

fn container(observed: &Observed, spec: &GatewayConfigurationSpec) -> Value {
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "admin"}});
    let mut ready = probe("/readyz");
    ready["periodSeconds"] = json!(READY_EVERY);
    let server = &spec.server;
    let resources = server.resources.as_ref().map_or_else(
        || json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "4Gi"}}),
        |resources| json!(resources),
    );
    let port = |name, port| json!({"name": name, "containerPort": port, "protocol": "TCP"});
    let mount = |name, path| json!({"name": name, "mountPath": path, "readOnly": true});
    let mut ports = vec![
        port("https", PORT),
        port("admin", ADMIN_PORT),
        port("peers", peers::PORT),
    ];
    let mut mounts = vec![
        mount("serving", SERVING_DIRECTORY),
        mount("peers", peers::DIRECTORY),
    ];
    if entrance::is_wanted(spec) {
        ports.push(port("tunnel", TUNNEL_PORT));
        mounts.push(mount("clients", CLIENTS_DIRECTORY));
    }
    json!({
        "name": "gateway",
        "image": allowance::image(observed, spec),
        "args": arguments(spec),
        "ports": ports,
        "livenessProbe": probe("/livez"),
        "readinessProbe": ready,
        "resources": resources,
        "securityContext": pod_security::container(),
        "volumeMounts": mounts,
    })
}

fn arguments(spec: &GatewayConfigurationSpec) -> Vec<String> {
    let mut arguments = vec![
        format!("--secret-namespace={CREDENTIALS}"),
        format!("--secure-port={PORT}"),
        format!("--tls-cert-file={SERVING_DIRECTORY}/tls.crt"),
        format!("--tls-private-key-file={SERVING_DIRECTORY}/tls.key"),
        format!("--admin-bind-address=[::]:{ADMIN_PORT}"),
    ];
    arguments.push(format!("--shutdown-delay={SHUTDOWN_DELAY}"));
    arguments.extend(peers::arguments(&spec.server.namespace));
    if entrance::is_wanted(spec) {
        arguments.push(format!("--tunnel-port={TUNNEL_PORT}"));
        let bundle = format!("{CLIENTS_DIRECTORY}/{TUNNEL_BUNDLE}");
        arguments.push(format!("--tunnel-client-ca-file={bundle}"));
    }
    if spec.credentials.kind == CredentialsType::ManagedServiceAccount {
        let account = &spec.credentials.managed_service_account.name;
        let way = match spec.egress.kind {
            EgressType::Auto => "auto",
            EgressType::Tunnel => "tunnel",
            EgressType::Direct => "direct",
        };
        arguments.push(format!("--managed-service-account={account}"));
        arguments.push(format!("--egress={way}"));
        let ranges = spec.egress.addresses.iter();
        arguments.extend(ranges.map(|range| format!("--egress-address={range}")));
    }
    let inner = spec.access.inner_authorization.enabled;
    arguments.extend(identity::arguments(&spec.identity, inner));
    if spec.server.direct_access.enabled {
        arguments.push("--direct-access".to_owned());
    }
    arguments.extend(limits(&spec.limits));
    for service in spec.egress.spoken() {
        let (namespace, name, port) = (&service.namespace, &service.name, service.port);
        arguments.push(format!("--expose={namespace}/{name}:{port}"));
    }
    arguments
}

fn limits(limits: &Limits) -> Vec<String> {
    let Limits {
        request_timeout,
        tunnel_memory,
        requests_per_user,
        long_requests,
        upgrades_per_user,
        upgrades,
        short_requests_per_user,
        short_requests,
        short_requests_total,
        queued_requests_per_user,
        queued_requests,
        queue_timeout,
        requests_per_second_per_user,
        request_burst_per_user,
        requests_per_second,
        request_burst,
        breaker_failures,
        breaker_pause,
    } = *limits;
    let flags = [
        ("response-header-timeout", request_timeout),
        ("tunnel-memory-per-cluster", tunnel_memory),
        ("max-requests-per-user", requests_per_user),
        ("max-long-requests", long_requests),
        ("max-upgrades-per-user", upgrades_per_user),
        ("max-upgrades", upgrades),
        ("max-short-requests-per-user", short_requests_per_user),
        ("max-short-requests", short_requests),
        ("max-short-requests-total", short_requests_total),
        ("max-queued-requests-per-user", queued_requests_per_user),
        ("max-queued-requests", queued_requests),
        ("queue-timeout", queue_timeout),
        ("requests-per-second-per-user", requests_per_second_per_user),
        ("request-burst-per-user", request_burst_per_user),
        ("requests-per-second", requests_per_second),
        ("request-burst", request_burst),
        ("breaker-failures", breaker_failures),
        ("breaker-pause", breaker_pause),
    ];
    let given = flags
        .into_iter()
        .filter_map(|(flag, number)| Some((flag, number?)));
    given
        .map(|(flag, number)| format!("--{flag}={number}"))
        .collect()
}
