//! The agent's container: its settings, its mounts, and its restrictions.

use crds::addon::{AddOnDeploymentConfigSpec, ProxyConfig};
use k8s_openapi::ByteString;
use kubernetes::pod_security;
use serde_json::{Value, json};

use super::{super::selected_cluster::SelectedCluster, image};
use crate::{
    addon::Addon,
    names::{ACCOUNTS, AGENT, GATEWAY, PROXY},
    plan::{entrance::Entrance, hub_id},
};

/// The Secret in which Open Cluster Management puts the agent's credential for the hub.
const HUB_SECRET: &str = "cluster-gateway-hub-kubeconfig";
const HUB_VOLUME: &str = "hub-kubeconfig";
const HUB_DIRECTORY: &str = "/managed/hub-kubeconfig";
/// The Secret in which it puts the agent's certificate for the gateway's own entrance.
const TUNNEL_SECRET: &str = "cluster-gateway-gateway.open-cluster-management.io-tunnel-client-cert";
const TUNNEL_VOLUME: &str = "tunnel-certificate";
const TUNNEL_DIRECTORY: &str = "/managed/tunnel-certificate";
/// The `ConfigMap` with the authorities that the agent verifies the gateway with at that entrance.
pub(super) const GATEWAY_AUTHORITY: &str = "spokeway-gateway-authority";
pub(super) const AUTHORITY_KEY: &str = "ca.crt";
const AUTHORITY_VOLUME: &str = "gateway-authority";
const AUTHORITY_DIRECTORY: &str = "/managed/gateway-authority";
const ADMIN_PORT: u16 = 9441;
/// The settings that variables of an `AddOnDeploymentConfig` may change. They concern the cluster
/// itself, not the agent's rights or its identity at the hub.
const SETTABLE: [&str; 7] = [
    "AGENT_APISERVER",
    "AGENT_CLUSTER_DOMAIN",
    "AGENT_CONNECTIONS",
    "AGENT_DRAIN_TIMEOUT",
    "AGENT_LOG",
    "AGENT_LOG_FORMAT",
    "AGENT_REVOCATION_TIMEOUT",
];

pub(super) fn agent(cluster: &SelectedCluster<'_>, config: &AddOnDeploymentConfigSpec) -> Value {
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "admin"}});
    json!({
        "name": "agent",
        "image": image::of_agent(cluster, config),
        "args": arguments(cluster),
        "env": environment(cluster, config),
        "ports": [{"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"}],
        "livenessProbe": probe("/livez"),
        "readinessProbe": probe("/readyz"),
        "resources": resources(config),
        "securityContext": pod_security::container(),
        "volumeMounts": mounts(cluster),
    })
}

fn mounts(cluster: &SelectedCluster<'_>) -> Vec<Value> {
    let mount = |name, path| json!({"name": name, "mountPath": path, "readOnly": true});
    let mut mounts = vec![mount(HUB_VOLUME, HUB_DIRECTORY)];
    if let Entrance::Own(_) = cluster.entrance {
        mounts.push(mount(TUNNEL_VOLUME, TUNNEL_DIRECTORY));
        mounts.push(mount(AUTHORITY_VOLUME, AUTHORITY_DIRECTORY));
    }
    mounts
}

/// The volumes. The tunnel's certificate is optional, so that tokens do not wait for it.
pub(super) fn volumes(cluster: &SelectedCluster<'_>) -> Vec<Value> {
    let mut volumes = vec![json!({"name": HUB_VOLUME, "secret": {"secretName": HUB_SECRET}})];
    if let Entrance::Own(_) = cluster.entrance {
        let certificate = json!({"secretName": TUNNEL_SECRET, "optional": true});
        volumes.push(json!({"name": TUNNEL_VOLUME, "secret": certificate}));
        let authority = json!({"name": GATEWAY_AUTHORITY});
        volumes.push(json!({"name": AUTHORITY_VOLUME, "configMap": authority}));
    }
    volumes
}

fn arguments(cluster: &SelectedCluster<'_>) -> Vec<String> {
    let mut arguments = vec![
        format!("--cluster={}", cluster.name),
        format!("--hub-kubeconfig={HUB_DIRECTORY}/kubeconfig"),
        format!("--admin-bind-address=[::]:{ADMIN_PORT}"),
        format!("--lease-namespace={}", cluster.install_namespace()),
    ];
    let tunnel = cluster.tunnel.then_some("tunnel");
    let tokens = cluster.handles_tokens().then_some("tokens");
    if tokens.is_some() {
        arguments.push("--tokens=true".to_owned());
        let namespace = cluster.token_namespace();
        arguments.push(format!("--token-namespace={namespace}"));
        arguments.extend(hub_id(cluster.observed).map(|id| format!("--hub-id={id}")));
        arguments.push(format!("--lease={namespace}/{ACCOUNTS}=tokens"));
    }
    if let Entrance::Own(address) = &cluster.entrance {
        arguments.extend([
            format!("--tunnel-address={address}"),
            format!("--tunnel-ca-file={AUTHORITY_DIRECTORY}/{AUTHORITY_KEY}"),
            format!("--tunnel-cert-file={TUNNEL_DIRECTORY}/tls.crt"),
            format!("--tunnel-private-key-file={TUNNEL_DIRECTORY}/tls.key"),
        ]);
    }
    if tunnel.is_some() {
        if cluster.has_row(Addon::Proxy) {
            arguments.push(format!("--lease={PROXY}=tunnel"));
        }
        for service in cluster.spec.egress.spoken() {
            let (namespace, name, port) = (&service.namespace, &service.name, service.port);
            arguments.push(format!("--expose={namespace}/{name}:{port}"));
        }
    }
    let capabilities: Vec<_> = tunnel.into_iter().chain(tokens).collect();
    let needs = if capabilities.is_empty() {
        "hub".to_owned()
    } else {
        capabilities.join("+")
    };
    arguments.push(format!("--lease={GATEWAY}={needs}"));
    arguments
}

fn environment(cluster: &SelectedCluster<'_>, config: &AddOnDeploymentConfigSpec) -> Vec<Value> {
    let field = |name, path| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let mut environment = vec![
        field("POD_NAME", "metadata.name"),
        field("AGENT_NODE_ADDRESSES", "status.hostIP"),
        field("AGENT_POD_ADDRESSES", "status.podIPs"),
    ];
    let variables = &config.customized_variables;
    let settable = variables
        .iter()
        .filter(|it| SETTABLE.contains(&it.name.as_str()));
    environment.extend(settable.map(|it| json!({"name": it.name, "value": it.value})));
    if !cluster.tunnel {
        environment.retain(|it| it["name"] != "AGENT_CONNECTIONS");
        environment.push(json!({"name": "AGENT_CONNECTIONS", "value": "0"}));
    }
    let ProxyConfig {
        http,
        https,
        ca_bundle,
        no_proxy,
    } = &config.proxy_config;
    let bundle = ca_bundle.as_ref().map(|ByteString(pem)| pem.as_slice());
    let bundle = String::from_utf8_lossy(bundle.unwrap_or_default()).into_owned();
    let proxies = [
        ("HTTP_PROXY", http),
        ("HTTPS_PROXY", https),
        ("PROXY_CA_BUNDLE", &bundle),
        ("NO_PROXY", no_proxy),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty());
    environment.extend(proxies.map(|(name, value)| json!({"name": name, "value": value})));
    environment
}

/// If several requirements match, the last one is used, as in the add-on framework.
fn resources(config: &AddOnDeploymentConfigSpec) -> Value {
    let fits = |id: &str| {
        let own = ["deployments", AGENT, "agent"];
        let parts: Vec<_> = id.split(':').collect();
        let each = |(part, own): (&&str, &str)| *part == "*" || *part == own;
        parts.len() == own.len() && parts.iter().zip(own).all(each)
    };
    let mut requirements = config.resource_requirements.iter().rev();
    match requirements.find(|it| fits(&it.container_id)) {
        Some(requirement) => json!(requirement.resources),
        None => json!({
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"memory": "384Mi"},
        }),
    }
}
