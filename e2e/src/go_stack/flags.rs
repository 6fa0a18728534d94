//! The command lines of the Go stack. They set what its own charts set, on loopback, and leave
//! everything else at its default.

use std::{net::Ipv4Addr, path::Path};

/// The ports of one stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    /// The gateway's own door.
    pub(super) gateway: u16,
    /// The proxy-server's port for the gateway.
    pub(super) frontend: u16,
    /// The proxy-server's port for agents.
    pub(super) agents: u16,
    pub(super) server_health: u16,
    pub(super) server_admin: u16,
    pub(super) agent_health: u16,
    pub(super) agent_admin: u16,
}

pub(super) fn proxy_server(directory: &Path, ports: &Ports) -> Vec<String> {
    let file = |flag, name| file(flag, directory, name);
    vec![
        "--mode=grpc".to_owned(),
        "--proxy-strategies=destHost".to_owned(),
        file("server-ca-cert", "ca.crt"),
        file("server-cert", "server.crt"),
        file("server-key", "server.key"),
        file("cluster-ca-cert", "ca.crt"),
        file("cluster-cert", "server.crt"),
        file("cluster-key", "server.key"),
        "--server-bind-address=127.0.0.1".to_owned(),
        "--agent-bind-address=127.0.0.1".to_owned(),
        "--health-bind-address=127.0.0.1".to_owned(),
        format!("--server-port={}", ports.frontend),
        format!("--agent-port={}", ports.agents),
        format!("--health-port={}", ports.server_health),
        format!("--admin-port={}", ports.server_admin),
    ]
}

/// The agent tells the proxy-server only the host that the gateway dials.
pub(super) fn proxy_agent(directory: &Path, ports: &Ports, host: Ipv4Addr) -> Vec<String> {
    let file = |flag, name| file(flag, directory, name);
    vec![
        file("ca-cert", "ca.crt"),
        file("agent-cert", "agent.crt"),
        file("agent-key", "agent.key"),
        format!("--agent-identifiers=host={host}"),
        "--agent-id=agent".to_owned(),
        "--proxy-server-host=127.0.0.1".to_owned(),
        "--health-server-host=127.0.0.1".to_owned(),
        format!("--proxy-server-port={}", ports.agents),
        format!("--health-server-port={}", ports.agent_health),
        format!("--admin-server-port={}", ports.agent_admin),
    ]
}

pub(super) fn gateway(
    directory: &Path,
    ports: &Ports,
    kubeconfig: &Path,
    secret_namespace: &str,
) -> Vec<String> {
    let file = |flag, name| file(flag, directory, name);
    let kubeconfig = |flag| format!("--{flag}={}", kubeconfig.display());
    vec![
        "--bind-address=127.0.0.1".to_owned(),
        // Priority and fairness would wait forever for v1beta3 of flowcontrol, which Kubernetes
        // 1.32 removed. Proxied requests bypass it anyway.
        "--feature-gates=APIPriorityAndFairness=false".to_owned(),
        format!("--secure-port={}", ports.gateway),
        file("tls-cert-file", "server.crt"),
        file("tls-private-key-file", "server.key"),
        format!("--secret-namespace={secret_namespace}"),
        kubeconfig("kubeconfig"),
        kubeconfig("authentication-kubeconfig"),
        kubeconfig("authorization-kubeconfig"),
        "--proxy-host=127.0.0.1".to_owned(),
        format!("--proxy-port={}", ports.frontend),
        file("proxy-ca-cert", "ca.crt"),
        file("proxy-cert", "gateway.crt"),
        file("proxy-key", "gateway.key"),
    ]
}

fn file(flag: &str, directory: &Path, name: &str) -> String {
    format!("--{flag}={}", directory.join(name).display())
}
