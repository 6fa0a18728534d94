//! A hub that aggregates the gateway stays healthy, whatever happens to the gateway.
//!
//! Kubernetes itself decides how a hub behaves if an aggregated API server is dead. These tests pin
//! that behaviour: other groups are served, and namespaces are emptied but not removed, because the
//! namespace controller cannot tell what else is in them until discovery is complete again.

use std::time::Duration;

use e2e::{Cluster, Gateway, GatewayOptions, SpokeOptions, World, eventually};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace},
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use tokio::time::Instant;

use crate::{
    managed::{config_map, create_namespace},
    openapi::{API_SERVICE, Listed, nudged, openapi_is_complete},
    proxy,
};

const KIND: &str = "clustergateways.cluster.core.oam.dev";
/// Kinds of other groups, as a sample of all.
const OTHERS: &[&str] = &[
    "configmaps",
    "deployments.apps",
    "apiservices.apiregistration.k8s.io",
];
/// The namespace controller waits five seconds before it starts.
const DELETED_WITHIN: Duration = Duration::from_secs(15);
/// It pauses for up to twice as long as it has been failing.
const DELETED_ONCE_POSSIBLE: Duration = Duration::from_mins(1);

/// A hub of its own, which is also its own managed cluster.
struct Hub {
    world: World,
}

impl Hub {
    async fn start() -> (Self, Gateway) {
        let world = World::builder().cluster("hub").start().await.unwrap();
        let hub = world.cluster("hub");
        let gateway = Gateway::start(hub, GatewayOptions::default())
            .await
            .unwrap();
        let options = SpokeOptions {
            name: Some("itself".to_owned()),
            ..SpokeOptions::default()
        };
        gateway.register_spoke(hub, options).await.unwrap();
        (Self { world }, gateway)
    }

    fn cluster(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    async fn healthz(&self) -> Result<String, String> {
        let path = proxy("itself", "/healthz");
        let kubectl = self.cluster().kubectl(&["get", "--raw", &path]);
        kubectl.ok().await.map_err(|error| error.to_string())
    }

    /// The stdout and stderr of `kubectl api-resources`.
    async fn api_resources(&self) -> (String, String) {
        let args = ["api-resources", "-o", "name"];
        let output = self.cluster().kubectl(&args).run().await.unwrap();
        for &other in OTHERS {
            assert!(output.stdout.lines().any(|line| line == other), "{output}");
        }
        assert_eq!(
            output.status.success(),
            output.stderr.is_empty(),
            "{output}"
        );
        (output.stdout, output.stderr)
    }

    /// A namespace with something in it, whose deletion has begun.
    async fn doomed(&self, name: &str) -> Doomed {
        let client = self.cluster().client();
        create_namespace(client.clone(), name).await;
        let maps = Api::<ConfigMap>::namespaced(client.clone(), name);
        maps.create(&PostParams::default(), &config_map("inside", "x"))
            .await
            .unwrap();
        let namespaces = Api::<Namespace>::all(client);
        namespaces
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        Doomed {
            name: name.to_owned(),
            namespaces,
            maps,
            since: Instant::now(),
        }
    }

    /// Checks that everything works: our API, and all of Kubernetes.
    async fn is_whole(&self, namespace: &str) {
        let doomed = self.doomed(namespace).await;
        openapi_is_complete(self.cluster()).await;
        let (kinds, complaint) = self.api_resources().await;
        assert!(kinds.lines().any(|kind| kind == KIND), "{kinds}");
        assert_eq!(complaint, "");
        assert_eq!(self.healthz().await.unwrap(), "ok");
        doomed.is_gone(DELETED_WITHIN).await;
    }

    /// Waits until the aggregator has noticed what happened to the gateway.
    async fn calls_it_available(&self, wanted: &str) {
        let services = Api::<APIService>::all(self.cluster().client());
        nudged(self.cluster(), wanted, || async {
            let service = services.get(API_SERVICE).await.unwrap();
            let conditions = service.status.and_then(|status| status.conditions);
            let available = conditions.unwrap_or_default().into_iter();
            let mut available = available.filter(|condition| condition.type_ == "Available");
            match available.next() {
                Some(condition) if condition.status == wanted => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await;
    }
}

struct Doomed {
    name: String,
    namespaces: Api<Namespace>,
    maps: Api<ConfigMap>,
    since: Instant,
}

impl Doomed {
    async fn is_gone(&self, within: Duration) {
        let what = format!("namespace {} to be gone", self.name);
        let gone = eventually(within, &what, || async {
            match self.namespaces.get_opt(&self.name).await.unwrap() {
                None => Ok(()),
                Some(namespace) => Err(format!("{:?}", namespace.status)),
            }
        });
        gone.await.unwrap();
        println!(
            "namespace {} gone {:?} after its deletion",
            self.name,
            self.since.elapsed()
        );
    }

    /// Checks that the namespace is emptied but stays, because the namespace controller reports
    /// that discovery failed.
    async fn is_stuck(&self) {
        let what = format!("namespace {} to be stuck", self.name);
        let stuck = eventually(DELETED_WITHIN, &what, || async {
            let namespace = self.namespaces.get(&self.name).await.unwrap();
            let conditions = namespace.status.and_then(|status| status.conditions);
            let conditions = conditions.unwrap_or_default();
            let failed = conditions.iter().find(|condition| {
                condition.type_ == "NamespaceDeletionDiscoveryFailure" && condition.status == "True"
            });
            let left = self.maps.get_opt("inside").await.unwrap();
            match failed {
                Some(condition) if left.is_none() => {
                    Ok(condition.message.clone().unwrap_or_default())
                }
                _ => Err(format!("{conditions:?}, left inside: {}", left.is_some())),
            }
        });
        let message = stuck.await.unwrap();
        assert!(
            message.contains("cluster.core.oam.dev/v1alpha1"),
            "{message}"
        );
    }
}

/// Checks that requests to our group are refused with a clear 503, and that everything else
/// continues.
async fn goes_on_without(hub: &Hub) {
    let refused = hub.healthz().await.unwrap_err();
    assert!(refused.contains("(ServiceUnavailable)"), "{refused}");
    hub.calls_it_available("False").await;
    let refused = hub.healthz().await.unwrap_err();
    assert!(refused.contains("(ServiceUnavailable)"), "{refused}");
    // kubectl silently skips a group that the hub reports as stale.
    let (kinds, complaint) = hub.api_resources().await;
    assert!(
        !kinds.contains("oam.dev") && complaint.is_empty(),
        "{kinds}{complaint}"
    );
    // This asserts the part of the other groups, which is what counts. Our part is the one from
    // before.
    Listed::by(hub.cluster()).await;
}

#[tokio::test]
async fn a_hub_stays_healthy_while_the_gateway_runs_restarts_and_is_gone() {
    let (hub, gateway) = Hub::start().await;
    hub.is_whole("while-it-runs").await;

    assert!(gateway.stop().await.success());
    gateway.restart().await.unwrap();
    hub.is_whole("after-a-restart").await;

    gateway.kill();
    goes_on_without(&hub).await;
    let doomed = hub.doomed("until-it-is-back").await;
    doomed.is_stuck().await;
    gateway.restart().await.unwrap();
    hub.calls_it_available("True").await;
    doomed.is_gone(DELETED_ONCE_POSSIBLE).await;

    gateway.kill();
    hub.calls_it_available("False").await;
    let doomed = hub.doomed("until-it-is-withdrawn").await;
    doomed.is_stuck().await;
    gateway.unregister().await.unwrap();
    doomed.is_gone(DELETED_ONCE_POSSIBLE).await;

    let (kinds, complaint) = hub.api_resources().await;
    assert!(
        !kinds.contains("oam.dev") && complaint.is_empty(),
        "{kinds}{complaint}"
    );
    let listed = Listed::by(hub.cluster()).await;
    assert_eq!(
        listed,
        Listed {
            v2: false,
            v3: false
        }
    );
    hub.doomed("without-it").await.is_gone(DELETED_WITHIN).await;
}
