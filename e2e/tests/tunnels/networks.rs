//! What stands between an agent and its hub.

use std::{sync::Arc, time::Duration};

use e2e::{Agent, AgentOptions, Cluster, Credentials, Identity, eventually};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::stage::Stage;

const USER: &str = "system:open-cluster-management:cluster:managed1:addon:cluster-proxy:agent:e2e";
const GROUP: &str = "system:open-cluster-management:addon:cluster-proxy";
const REFUSED: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nserver: picky/1.0\r\ncontent-length: 11\r\n\r\nno upgrades";

/// In front of a hub's API server: passes the upgrade to WebSocket, and no other.
struct Front {
    url: String,
    _serving: JoinSet<()>,
}

impl Front {
    async fn of(hub: &Cluster, identity: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address = hub.url().trim_start_matches("https://").to_owned();
        let connector = connector(&hub.ca_pem(), identity);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut passing = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                passing.spawn(pass(stream, address.clone(), connector.clone()));
            }
        });
        Self {
            url,
            _serving: serving,
        }
    }
}

fn connector(ca_pem: &str, identity: &Identity) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = config.with_client_auth_cert(vec![chain], key).unwrap();
    TlsConnector::from(Arc::new(config))
}

async fn pass(mut stream: TcpStream, address: String, connector: TlsConnector) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let asked = String::from_utf8_lossy(&head).to_ascii_lowercase();
    if asked.contains("upgrade: spokeway-tunnel") {
        let _ = stream.write_all(REFUSED).await;
        return;
    }
    let host = address.rsplit_once(':').unwrap().0.to_owned();
    let name = ServerName::try_from(host).unwrap();
    let tcp = TcpStream::connect(&address).await.unwrap();
    let mut hub = connector.connect(name, tcp).await.unwrap();
    hub.write_all(&head).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut hub).await;
}

#[tokio::test]
async fn a_tunnel_goes_by_websocket_where_nothing_else_gets_through() {
    let stage = Stage::with_one().await;
    let hub = stage.hub();
    let identity = hub.cluster_ca().issue_client(USER, &[GROUP]).unwrap();
    let front = Front::of(hub, &identity).await;
    let file = hub.write_kubeconfig(
        "front.kubeconfig",
        &front.url,
        &hub.ca_pem(),
        &Credentials::Anonymous,
    );
    let options = AgentOptions {
        hub_kubeconfig: Some(file.unwrap()),
        ..AgentOptions::default()
    };
    let agent = Agent::attached(hub, stage.world.cluster("managed1"), options)
        .await
        .unwrap();
    stage.reached("managed1").await;
    assert_eq!(stage.get("managed1", "/healthz").await, (200, "ok".into()));
    let told = || async {
        let said = stage.said("managed1").await;
        let words = ["attached by WebSocket", "server: picky/1.0 answered 400"];
        if words.iter().all(|it| said.contains(it)) {
            Ok(())
        } else {
            Err(said)
        }
    };
    eventually(Duration::from_secs(10), "the condition tells", told)
        .await
        .unwrap();
    // More than fits into one frame, both ways.
    let (status, openapi) = stage.get("managed1", "/openapi/v2").await;
    assert!(status == 200 && openapi.len() > 1 << 20, "{status}");
    let log = agent.process().tail(50).to_string();
    assert!(log.contains("passes only WebSocket"), "{log}");
    assert!(log.contains("server: picky/1.0 answered 400"), "{log}");
}
