//! Keys of the gateway's server are lost or expire, and are created again. At every moment the
//! registered CA must trust the serving certificate.

use std::{sync::Arc, time::Duration};

use e2e::{Operator, World, ocm::Ocm};
use futures::StreamExt as _;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use parking_lot::Mutex;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    hub::{kubectl, soon},
    quick::API_SERVICE,
};

const NAMESPACE: &str = "spokeway-system";
const AUTHORITY: &str = "spokeway-gateway-ca";
const SERVING: &str = "spokeway-gateway-serving";
const CONFIGURATION: &str = "\
apiVersion: gateway.open-cluster-management.io/v1alpha1
kind: GatewayConfiguration
metadata: {name: default}
spec: {}
";

/// One version of the serving certificate or of the trusted CA, with the hub's resource version.
#[derive(Clone, Debug)]
enum Seen {
    Serves(String),
    Trusted(String),
}

type History = Arc<Mutex<Vec<(u64, Seen)>>>;

#[tokio::test]
async fn keys_that_are_lost_or_expired_are_made_anew_and_what_serves_is_trusted_throughout() {
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    let _ocm = Ocm::without_controllers(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let _operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    let apply = |text: String| {
        hub.kubectl(&["apply", "--server-side", "-f", "-"])
            .stdin(text)
    };
    apply(CONFIGURATION.to_owned()).ok().await.unwrap();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "gateway-1", "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": "gateway"},
        },
        "endpoints": [{"addresses": ["198.51.100.7"], "conditions": {"ready": true}}],
    });
    apply(slice.to_string()).ok().await.unwrap();
    soon("a place in the API", || {
        kubectl(hub, &["get", "apiservice", API_SERVICE])
    })
    .await;
    let history = History::default();
    let mut watching = JoinSet::new();
    watching.spawn(follow(hub.client(), Arc::clone(&history)));

    let lost = |name| delete_and_see(hub, name);
    let leaf = lost(SERVING).await;
    assert!(leaf.contains_key("tls.crt"));
    let authority = lost(AUTHORITY).await;
    assert!(
        authority.contains_key("retired.crt"),
        "{:?}",
        authority.keys()
    );
    soon("a certificate of the new authority", || async {
        newest_is_trusted_alone(&history, &authority)
    })
    .await;

    expire(hub).await;
    let replaced = || async {
        let authority = secret(hub, AUTHORITY).await?;
        let ca = text(&authority, "ca.crt");
        newest_is_trusted_alone(&history, &authority).map_err(|it| format!("{it}: {ca}"))
    };
    soon(
        "an authority that can sign, and a certificate of it",
        replaced,
    )
    .await;
    soon("an Event says so", || an_event_says_so(hub)).await;
    what_served_was_trusted(&history.lock());
}

type Data = std::collections::BTreeMap<String, ByteString>;

async fn secret(hub: &e2e::Cluster, name: &str) -> Result<Data, String> {
    let secrets = Api::<Secret>::namespaced(hub.client(), NAMESPACE);
    let found = secrets.get_opt(name).await.map_err(|it| it.to_string())?;
    found
        .and_then(|it| it.data)
        .ok_or_else(|| "it is not there".to_owned())
}

async fn delete_and_see(hub: &e2e::Cluster, name: &str) -> Data {
    let before = secret(hub, name).await.unwrap();
    kubectl(hub, &["delete", "secret", name, "-n", NAMESPACE])
        .await
        .unwrap();
    let another = || async {
        let now = secret(hub, name).await?;
        if now == before {
            Err("as before".to_owned())
        } else {
            Ok(now)
        }
    };
    soon("another Secret", another).await
}

fn text(data: &Data, key: &str) -> String {
    data.get(key)
        .map_or_else(String::new, |it| String::from_utf8(it.0.clone()).unwrap())
}

/// Checks that the newest certificate is signed by that CA, and that the registered CA bundle
/// trusts it.
fn newest_is_trusted_alone(history: &History, authority: &Data) -> Result<(), String> {
    let mut seen = history.lock().clone();
    seen.sort_by_key(|(version, _)| *version);
    let (mut leaf, mut bundle) = (String::new(), String::new());
    for (_, seen) in seen {
        match seen {
            Seen::Serves(pem) => leaf = pem,
            Seen::Trusted(pem) => bundle = pem,
        }
    }
    verify(&leaf, &text(authority, "ca.crt"))?;
    verify(&leaf, &bundle)
}

/// Replaces the CA with one that expired yesterday.
async fn expire(hub: &e2e::Cluster) {
    let day = Duration::from_hours(24);
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    parameters.not_before = (e2e::wall_clock() - 2 * day).into();
    parameters.not_after = (e2e::wall_clock() - day).into();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    let patch = json!({"data": {
        "ca.crt": ByteString(certificate.into_bytes()),
        "ca.key": ByteString(key.serialize_pem().into_bytes()),
        "retired.crt": null,
    }});
    let secrets = Api::<Secret>::namespaced(hub.client(), NAMESPACE);
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    let patched = secrets.patch(AUTHORITY, &parameters, &patch);
    patched.await.unwrap();
}

async fn an_event_says_so(hub: &e2e::Cluster) -> Result<(), String> {
    let get = [
        "get",
        "events.events.k8s.io",
        "-A",
        "-o",
        "jsonpath={.items[*].reason}",
    ];
    let reasons = kubectl(hub, &get).await?;
    if reasons.contains("AuthorityReplaced") {
        Ok(())
    } else {
        Err(reasons)
    }
}

/// Records every version of the serving certificate and of the trusted CA.
async fn follow(client: kube::Client, history: History) {
    let of = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let secrets = watcher(secrets, of(SERVING)).applied_objects();
    let secrets = secrets.filter_map(|it| async {
        let it = it.ok()?;
        let version = it.metadata.resource_version?.parse().ok()?;
        Some((version, Seen::Serves(text(&it.data?, "tls.crt"))))
    });
    let services = watcher(Api::<APIService>::all(client), of(API_SERVICE)).applied_objects();
    let services = services.filter_map(|it| async {
        let it = it.ok()?;
        let version = it.metadata.resource_version?.parse().ok()?;
        let bundle = String::from_utf8(it.spec?.ca_bundle?.0).ok()?;
        Some((version, Seen::Trusted(bundle)))
    });
    let mut all = futures::stream::select(Box::pin(secrets), Box::pin(services));
    while let Some(seen) = all.next().await {
        history.lock().push(seen);
    }
}

/// An old certificate may still be in use, because pods reload it at any time.
fn what_served_was_trusted(history: &[(u64, Seen)]) {
    let mut history = history.to_vec();
    history.sort_by_key(|(version, _)| *version);
    let (mut leaves, mut bundles) = (Vec::new(), 0);
    let mut bundle: Option<String> = None;
    for (version, seen) in history {
        match seen {
            Seen::Serves(leaf) => leaves.push(leaf),
            Seen::Trusted(next) => {
                bundles += 1;
                bundle = Some(next);
            }
        }
        for leaf in bundle
            .iter()
            .flat_map(|bundle| leaves.iter().map(move |leaf| (leaf, bundle)))
        {
            let (leaf, bundle) = leaf;
            verify(leaf, bundle).unwrap_or_else(|why| panic!("at {version}: {why}"));
        }
    }
    assert!(
        leaves.len() >= 4 && bundles >= 3,
        "{} {bundles}",
        leaves.len()
    );
}

fn verify(leaf: &str, bundle: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(bundle.as_bytes());
    roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|it| it.to_string())?;
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).map_err(|it| it.to_string())?;
    let name = ServerName::try_from(format!("gateway.{NAMESPACE}.svc")).unwrap();
    let outcome = verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now());
    outcome.map(drop).map_err(|it| it.to_string())
}
