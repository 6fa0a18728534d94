//! Agents that attach at the gateway's own entrance, with certificates that the operator signed.

#[path = "entrance/balancer.rs"]
mod balancer;
#[path = "entrance/path.rs"]
mod path;
#[path = "entrance/requests.rs"]
mod requests;

use std::{collections::BTreeMap, fs};

use e2e::{
    Authority, GatewayOptions, Process, TunnelPort, ocm::KlusterletOptions, our_program, process,
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Api;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;
use tokio::{
    select,
    time::{Duration, sleep},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use self::{
    path::Path,
    requests::{OWN, Requests},
};
use super::{
    hub::{kubectl, read, soon, tell},
    stage::Stage,
};

const NAMESPACE: &str = "spokeway-system";
const AGENTS: &str = "open-cluster-management-agent-addon";
const DELIVERED: &str = "cluster-gateway-gateway.open-cluster-management.io-tunnel-client-cert";
const CLUSTER: &str = "managed1";

/// A stage whose gateway has an entrance of its own. The path to it can be cut.
struct Entrance {
    stage: Stage,
    port: TunnelPort,
    path: Path,
}

impl Entrance {
    async fn set(clusters: &[(&str, KlusterletOptions)]) -> Self {
        let world = Stage::world(clusters).await;
        let port = TunnelPort::new(world.directory(), "localhost").unwrap();
        let mut options = GatewayOptions::for_operator();
        options.args.extend(port.of_gateway());
        let path = Path::to(port.port()).await;
        let stage = Stage::on(world, clusters, &[], options).await;
        let this = Self { stage, port, path };
        let entrypoint =
            json!({"type": "Hostname", "hostname": "localhost", "port": this.path.port()});
        let egress = json!({"egress": {"type": "Tunnel", "entrypoint": entrypoint}});
        this.stage.configure(&egress).await;
        let bundle = soon("what the gateway is to take", || this.bundle()).await;
        this.port.trust(&bundle).unwrap();
        this
    }

    /// The objects that the operator creates for whoever runs the gateway.
    async fn bundle(&self) -> Result<String, String> {
        let secret = secret(self.stage.hub(), NAMESPACE, "spokeway-tunnel-clients").await?;
        Ok(text(&secret, "ca.crt"))
    }

    /// The agents that attached, by the gateway's log.
    fn attached(&self) -> Vec<String> {
        let log = fs::read_to_string(self.stage.gateway.process().log()).unwrap();
        let attached = log.lines().filter(|line| line.contains("agent attached"));
        attached.map(str::to_owned).collect()
    }

    /// The tunnels that ended in another way than by agreement, by the gateway's log.
    fn lost(&self) -> Vec<String> {
        let log = fs::read_to_string(self.stage.gateway.process().log()).unwrap();
        let ends = ["may no longer stay", "tunnel broke", "no longer answers"];
        let is_lost = |line: &&str| ends.iter().any(|end| line.contains(end));
        log.lines().filter(is_lost).map(str::to_owned).collect()
    }

    /// Waits until this many more agents have attached.
    async fn attach(&self, before: usize, more: usize) {
        let all = || async {
            let now = self.attached().len();
            if now >= before + more {
                Ok(())
            } else {
                Err(format!("{now} after {before}"))
            }
        };
        soon("agents attach", all).await;
    }
}

async fn secret(cluster: &e2e::Cluster, namespace: &str, name: &str) -> Result<Secret, String> {
    let api = Api::<Secret>::namespaced(cluster.client(), namespace);
    api.get(name).await.map_err(|error| error.to_string())
}

fn text(secret: &Secret, key: &str) -> String {
    let ByteString(bytes) = &secret.data.as_ref().unwrap()[key];
    String::from_utf8(bytes.clone()).unwrap()
}

fn issuer(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    X509Certificate::from_der(&der)
        .unwrap()
        .1
        .issuer()
        .to_string()
}

#[tokio::test]
async fn an_agent_attaches_past_the_hub_and_again_while_the_hub_is_down() {
    let by_token = KlusterletOptions {
        addon_tokens: true,
        ..Default::default()
    };
    let clusters = [
        (CLUSTER, KlusterletOptions::default()),
        ("managed2", by_token),
    ];
    let entrance = Entrance::set(&clusters).await;
    let stage = &entrance.stage;
    for (cluster, _) in clusters {
        soon(cluster, || stage.through(cluster, "/healthz")).await;
    }
    entrance.attach(0, 4).await;
    let before = entrance.attached();
    let past_the_hub = before.iter().all(|line| line.contains("by certificate"));
    assert!(past_the_hub, "{before:?}");

    stage.hub().stop_apiserver();
    assert!(stage.through(CLUSTER, "/healthz").await.is_err());
    // Longer than the gateway takes to check every agent's right again.
    sleep(Duration::from_secs(12)).await;
    assert_eq!(entrance.lost(), [""; 0]);
    // A certificate that was issued again just before is followed by a new connection, and then the end of
    // the old one.
    let open = || async {
        let open = entrance.path.open();
        if open == before.len() {
            Ok(())
        } else {
            Err(format!("{open} connections"))
        }
    };
    soon("agents keep their connections", open).await;
    let before = entrance.attached().len();
    entrance.path.cut();
    entrance.attach(before, 4).await;
    stage.hub().start_apiserver().await.unwrap();
    for (cluster, _) in clusters {
        soon(cluster, || stage.through(cluster, "/healthz")).await;
    }
    let after = entrance.attached();
    assert!(
        after.iter().all(|line| line.contains("by certificate")),
        "{after:?}"
    );
}

#[tokio::test]
async fn only_own_certificates_get_in_and_their_authority_changes_without_a_gap() {
    let entrance = Entrance::set(&[(CLUSTER, KlusterletOptions::default())]).await;
    let stage = &entrance.stage;
    soon("healthz", || stage.through(CLUSTER, "/healthz")).await;
    others_requests_are_left_alone(stage).await;
    the_hubs_own_certificate_is_refused(&entrance).await;
    the_authority_changes(&entrance).await;
    agents_go_back_to_the_hub(&entrance).await;
}

async fn others_requests_are_left_alone(stage: &Stage) {
    let requests = Requests::of(stage, CLUSTER);
    let other = OWN.replace(CLUSTER, "managed2");
    requests.make("other-name", &other, &["client auth"]).await;
    requests
        .make("server-too", OWN, &["client auth", "server auth"])
        .await;
    let groups = format!("{OWN}:more");
    requests
        .make("more-of-a-name", &groups, &["client auth"])
        .await;
    requests.make("own", OWN, &["client auth"]).await;
    requests.is_signed("own").await;
    for name in ["other-name", "server-too", "more-of-a-name"] {
        let status = requests.status(name).await;
        assert!(
            status["conditions"].is_null() && status["certificate"].is_null(),
            "{name}: {status}"
        );
    }
    // If somebody else approves such a request, it is still not signed.
    stage
        .kubectl(&["certificate", "approve", "other-name"])
        .await
        .unwrap();
    requests.make("own-again", OWN, &["client auth"]).await;
    requests.is_signed("own-again").await;
    assert!(requests.status("other-name").await["certificate"].is_null());
}

/// The agent's certificate for the hub's API server names the agent as well, but is signed by
/// another CA.
async fn the_hubs_own_certificate_is_refused(entrance: &Entrance) {
    let Entrance { stage, port, path } = entrance;
    let spoke = stage.world.cluster(CLUSTER);
    let hubs = secret(spoke, AGENTS, "cluster-gateway-hub-kubeconfig")
        .await
        .unwrap();
    let identity = e2e::Identity {
        certificate: text(&hubs, "tls.crt"),
        key: text(&hubs, "tls.key"),
    };
    let flags = port.of_agent(&stage.gateway, "hubs", &identity).unwrap();
    let directory = spoke.directory().join("stranger");
    fs::create_dir(&directory).unwrap();
    let (before, open) = (entrance.attached().len(), path.open());
    let stranger = Process::start(process::Spec {
        name: "stranger".to_owned(),
        program: our_program("agent").unwrap(),
        args: [
            "--cluster=managed1".to_owned(),
            "--admin-bind-address=127.0.0.1:0".to_owned(),
        ]
        .into_iter()
        .chain(flags)
        .collect(),
        env: Vec::new(),
        log: directory.join("agent.log"),
        directory,
    })
    .unwrap();
    let refused = || async {
        let log = stage.gateway.process().tail(50).to_string();
        if log.contains("its certificate is not valid") {
            Ok(())
        } else {
            Err(log)
        }
    };
    soon("it is refused", refused).await;
    stranger.kill();
    assert_eq!((entrance.attached().len(), path.open()), (before, open));
}

async fn the_authority_changes(entrance: &Entrance) {
    let Entrance { stage, port, .. } = entrance;
    let (hub, spoke) = (stage.hub(), stage.world.cluster(CLUSTER));
    let next = Authority::new("next-agents-ca").unwrap();
    let trusted = entrance.bundle().await.unwrap();
    let before = entrance.attached().len();
    come_next(stage, &next).await;
    let change = async {
        let both = || async {
            let bundle = entrance.bundle().await?;
            let all = bundle.contains(&next.certificate()) && bundle.contains(&trusted);
            if all { Ok(bundle) } else { Err(bundle) }
        };
        port.trust(&soon("both are trusted", both).await).unwrap();
        let signs = || async {
            let secret = secret(hub, NAMESPACE, "spokeway-tunnel-ca").await?;
            let signs = text(&secret, "ca.crt") == next.certificate();
            if signs {
                Ok(())
            } else {
                Err("the old one signs".to_owned())
            }
        };
        soon("the next one signs", signs).await;
        // The `ManagedClusterAddOn` says so, and the registration agent requests a new one.
        let renewed = || async {
            let secret = secret(spoke, AGENTS, DELIVERED).await?;
            let issuer = issuer(&text(&secret, "tls.crt"));
            if issuer.contains("next-agents-ca") {
                Ok(())
            } else {
                Err(issuer)
            }
        };
        soon("a certificate of the next one", renewed).await;
        entrance.attach(before, 2).await;
        // Only the connections that presented the new certificate stay.
        port.trust(&next.certificate()).unwrap();
        sleep(Duration::from_secs(12)).await;
    };
    let mut asked = 0;
    let asking = async {
        loop {
            stage.through(CLUSTER, "/healthz").await.unwrap();
            asked += 1;
            sleep(Duration::from_millis(100)).await;
        }
    };
    select! {
        () = change => {}
        () = asking => {}
    }
    tell(&format!(
        "the authority changed under {asked} requests, and none failed"
    ));
    stage.through(CLUSTER, "/healthz").await.unwrap();
}

/// Gives the operator a next CA that is old enough to sign.
async fn come_next(stage: &Stage, next: &Authority) {
    let secret = secret(stage.hub(), NAMESPACE, "spokeway-tunnel-ca")
        .await
        .unwrap();
    let mut data: BTreeMap<String, ByteString> = secret.data.unwrap();
    data.insert(
        "next.crt".to_owned(),
        ByteString(next.certificate().into_bytes()),
    );
    data.insert("next.key".to_owned(), ByteString(next.key().into_bytes()));
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
        "metadata": {
            "name": "spokeway-tunnel-ca", "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "spokeway-operator"},
        },
    });
    let apply = [
        "apply",
        "--server-side",
        "--field-manager=spokeway-operator",
        "--force-conflicts",
        "-f",
        "-",
    ];
    let apply = stage.hub().kubectl(&apply).stdin(object.to_string());
    apply.ok().await.unwrap();
}

async fn agents_go_back_to_the_hub(entrance: &Entrance) {
    let stage = &entrance.stage;
    let before = entrance.attached().len();
    stage
        .configure(&json!({"egress": {"type": "Tunnel"}}))
        .await;
    entrance.attach(before, 2).await;
    let by_user = entrance.attached().into_iter().skip(before);
    assert!(
        by_user
            .into_iter()
            .all(|line| line.contains("system:open-cluster-management"))
    );
    soon("healthz", || stage.through(CLUSTER, "/healthz")).await;
    let spoke = stage.world.cluster(CLUSTER);
    let nothing_left = || async {
        let on_hub = stage
            .kubectl(&["get", "secrets,services", "-n", NAMESPACE, "-o", "name"])
            .await?;
        let on_spoke = kubectl(
            spoke,
            &["get", "secrets,configmaps", "-n", AGENTS, "-o", "name"],
        )
        .await?;
        let row = ["managedclusteraddon", "cluster-gateway", "-n", CLUSTER];
        let row = read(stage.hub(), &row).await?;
        let registrations = row["status"]["registrations"].to_string();
        let all = format!("{on_hub}{on_spoke}{registrations}");
        let words = [
            "spokeway-tunnel",
            "client-cert",
            "gateway-authority",
            "open-cluster-management.io/tunnel",
        ];
        if words.iter().any(|word| all.contains(word)) {
            Err(all)
        } else {
            Ok(())
        }
    };
    soon("nothing is left of the entrance", nothing_left).await;
}
