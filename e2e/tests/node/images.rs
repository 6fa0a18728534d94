//! The agent's image on a node: it runs as an unprivileged user with a read-only file system, and
//! resolves names.

use std::{net::Ipv4Addr, time::Duration};

use e2e::{
    fence::{NODE_ADDRESS, SPOKE_ADDRESS},
    our_program,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UdpSocket};

use crate::stage::{SPOKE, Stage};

const SOON: Duration = Duration::from_secs(20);
const BY_FILE: &str = "by-file.spokeway.test";
const BY_DNS: &str = "by-dns.spokeway.test";
const PORT: u16 = 7443;

#[tokio::test]
async fn the_agents_image_runs_restricted_and_resolves_names() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    let archive = stage.world.directory().join("agent.tar");
    let program = our_program("agent").unwrap();
    let files = images::of_program("agent", &program).unwrap();
    let image = images::image(images::REGISTRY, "agent");
    std::fs::write(&archive, images::archive(&files, &[image]).bytes).unwrap();
    stage.world.node(SPOKE).import(&archive).unwrap();

    stage.apply(&kubeconfigs()).await;
    for name in [BY_FILE, BY_DNS] {
        stage.apply(&agent(name)).await;
    }
    if !stage.fence.on_spoke_side(both_names_are_resolved) {
        let pods = stage.kubectl(&["get", "pods", "-o=wide"]).run().await;
        let events = stage.kubectl(&["get", "events"]).run().await;
        let logs = [BY_FILE, BY_DNS].map(|name| name.split('.').next().unwrap());
        let logs = logs.map(|pod| stage.kubectl(&["logs", pod]).run());
        let logs = futures::future::join_all(logs).await;
        panic!("not both agents came: {pods:?}\n{events:?}\n{logs:?}");
    }
    for name in [BY_FILE, BY_DNS] {
        let pod = name.split('.').next().unwrap();
        let user = ["exec", pod, "--", "/agent", "--version"];
        let version = stage.kubectl(&user).ok().await.unwrap();
        assert!(version.starts_with("agent "), "{version}");
    }
}

/// On the node: a name server that knows one name, and a port where both agents must appear.
async fn both_names_are_resolved() -> bool {
    let names = UdpSocket::bind((SPOKE_ADDRESS, 53)).await.unwrap();
    let hub = TcpListener::bind((NODE_ADDRESS, PORT)).await.unwrap();
    let mut seen = Vec::new();
    let mut question = [0; 512];
    let both = async {
        while seen.len() < 2 {
            tokio::select! {
                received = names.recv_from(&mut question) => {
                    let (length, from) = received.unwrap();
                    let answer = answer(&question[..length]);
                    names.send_to(&answer, from).await.unwrap();
                }
                connected = hub.accept() => {
                    let from = connected.unwrap().1.ip();
                    if !seen.contains(&from) {
                        seen.push(from);
                    }
                }
            }
        }
    };
    tokio::time::timeout(SOON, both).await.is_ok()
}

/// The node's address if the question is for an address of [`BY_DNS`]; otherwise the answer that
/// there is none (RFC 1035).
fn answer(question: &[u8]) -> Vec<u8> {
    const A: [u8; 4] = [0, 1, 0, 1];
    let wanted: Vec<u8> = BY_DNS
        .split('.')
        .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
        .chain([0])
        .collect();
    let end = 12 + question[12..].iter().position(|&byte| byte == 0).unwrap() + 1;
    let is_known = question[12..end] == wanted;
    let has_answer = is_known && question[end..end + 4] == A;
    let code = if is_known { 0x80 } else { 0x83 };
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, code, 0, 1, 0, u8::from(has_answer), 0, 0, 0, 0]);
    answer.extend(&question[12..end + 4]);
    if has_answer {
        let address: Ipv4Addr = NODE_ADDRESS.parse().unwrap();
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}

/// Kubeconfigs of a hub with each name. No agent gets far enough to use the credentials.
fn kubeconfigs() -> Value {
    let kubeconfig = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "hub",
            "clusters": [{"name": "hub", "cluster": {"server": format!("https://{name}:{PORT}")}}],
            "users": [{"name": "agent", "user": {"token": "none"}}],
            "contexts": [{"name": "hub", "context": {"cluster": "hub", "user": "agent"}}],
        })
        .to_string()
    };
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hubs"},
        "data": {BY_FILE: kubeconfig(BY_FILE), BY_DNS: kubeconfig(BY_DNS)},
    })
}

fn agent(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name.split('.').next()},
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "hostAliases": [{"ip": NODE_ADDRESS, "hostnames": [BY_FILE]}],
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": [SPOKE_ADDRESS], "searches": ["default.svc.cluster.local"]},
            "containers": [{
                "name": "agent",
                "image": images::name(images::REGISTRY, "agent"),
                "imagePullPolicy": "Never",
                "args": [format!("--cluster={SPOKE}"), format!("--hub-kubeconfig=/hubs/{name}")],
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
                "volumeMounts": [{"name": "hubs", "mountPath": "/hubs", "readOnly": true}],
            }],
            "volumes": [{"name": "hubs", "configMap": {"name": "hubs"}}],
        },
    })
}
