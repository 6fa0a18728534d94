//! A load balancer. The test plays the cloud of the hub.

use e2e::{Cluster, Operator, World, ocm::Ocm};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{
    super::{
        hub::{kubectl, read, soon},
        server::condition,
    },
    CLUSTER, NAMESPACE, secret, text,
};

const ADDRESS: &str = "203.0.113.7";
const WORK: &str = "addon-cluster-gateway-deploy-0";

#[tokio::test]
async fn agents_are_sent_to_a_load_balancer_once_it_has_an_address() {
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    let _ocm = Ocm::start(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let _operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    let annotations = json!({"cloud.example.com/internal": "true"});
    let entrypoint = json!({"type": "LoadBalancer", "loadBalancer": {"annotations": annotations}});
    configure(hub, &entrypoint).await;
    let cluster = json!({
        "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
        "metadata": {"name": CLUSTER}, "spec": {"hubAcceptsClient": true},
    });
    apply(hub, &cluster).await;
    soon("agents are at the hub", || is_told(hub, false)).await;
    let pending = || condition(hub, "EntrypointReady", "EntrypointPending");
    soon("that is said", pending).await;
    let balancer = object(hub, "service", "spokeway-tunnel").await;
    assert_eq!(balancer["spec"]["type"], "LoadBalancer");
    let annotations = &balancer["metadata"]["annotations"];
    assert_eq!(annotations["cloud.example.com/internal"], "true");

    give_address(hub).await;
    soon("agents are sent there", || is_told(hub, true)).await;
    let ready = || condition(hub, "EntrypointReady", "AsAsked");
    soon("that is said, too", ready).await;
    soon("the gateway's certificate names it", || is_named(hub)).await;
    let gateway = object(hub, "deployment", "spokeway-gateway").await;
    assert!(gateway.to_string().contains("--tunnel-port=9444"));

    configure(hub, &json!({"type": "HubAPI"})).await;
    soon("agents are at the hub again", || is_told(hub, false)).await;
    let get = ["get", "services,secrets", "-n", NAMESPACE, "-o", "name"];
    let left = || async {
        let left = kubectl(hub, &get).await?;
        if left.contains("tunnel") {
            Err(left)
        } else {
            Ok(())
        }
    };
    soon("nothing is left of it", left).await;
    let gateway = object(hub, "deployment", "spokeway-gateway").await;
    assert!(!gateway.to_string().contains("--tunnel-port"));
}

/// Sets the address of the load balancer, as a cloud does.
async fn give_address(hub: &Cluster) {
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}});
    let status = status.to_string();
    let patch = ["patch", "service", "spokeway-tunnel", "-n", NAMESPACE];
    let patch = [&patch[..], &["--subresource=status", "-p", &status]].concat();
    kubectl(hub, &patch).await.unwrap();
}

async fn object(hub: &Cluster, kind: &str, name: &str) -> Value {
    read(hub, &[kind, name, "-n", NAMESPACE]).await.unwrap()
}

async fn configure(hub: &Cluster, entrypoint: &Value) {
    let configuration = json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "GatewayConfiguration",
        "metadata": {"name": "default"}, "spec": {"egress": {"entrypoint": entrypoint}},
    });
    apply(hub, &configuration).await;
}

async fn apply(hub: &Cluster, object: &Value) {
    let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(object.to_string());
    apply.ok().await.unwrap();
}

/// Whether the agent's `ManifestWork` sends it to the load balancer.
async fn is_told(hub: &Cluster, wanted: bool) -> Result<(), String> {
    let work = kubectl(
        hub,
        &["get", "manifestwork", WORK, "-n", CLUSTER, "-o", "json"],
    )
    .await?;
    let told = work.contains(&format!("--tunnel-address={ADDRESS}:443"));
    if told == wanted { Ok(()) } else { Err(work) }
}

async fn is_named(hub: &Cluster) -> Result<(), String> {
    let serving = secret(hub, NAMESPACE, "spokeway-gateway-serving").await?;
    let der = CertificateDer::from_pem_slice(text(&serving, "tls.crt").as_bytes()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap().value;
    let names: Vec<_> = names
        .general_names
        .iter()
        .map(ToString::to_string)
        .collect();
    let names = names.join(" ");
    if names.contains("IPAddress(cb:00:71:07)") {
        Ok(())
    } else {
        Err(names)
    }
}
