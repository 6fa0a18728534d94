//! The hub's `OpenAPI` document. Our part of it comes from the gateway through the aggregator.

use std::{fmt::Display, time::Duration};

use e2e::{Cluster, eventually};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

pub(crate) const API_SERVICE: &str = "v1alpha1.cluster.core.oam.dev";
const LIST_PATH: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
const GROUP_VERSION: &str = "apis/cluster.core.oam.dev/v1alpha1";
const NUDGE_EVERY: Duration = Duration::from_secs(2);
const ROUNDS: u32 = 15;

/// Whether our group is in both versions of the hub's document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) v2: bool,
    pub(crate) v3: bool,
}

impl Listed {
    pub(crate) async fn by(hub: &Cluster) -> Self {
        let document = async |path: &str| -> Value {
            let text = hub.kubectl(&["get", "--raw", path]).ok().await.unwrap();
            serde_json::from_str(&text).unwrap()
        };
        let v2 = document("/openapi/v2").await;
        assert!(v2["paths"].get("/api/v1/namespaces").is_some());
        let v3 = document("/openapi/v3").await;
        assert!(v3["paths"].get("apis/apps/v1").is_some());
        Self {
            v2: v2["paths"].get(LIST_PATH).is_some(),
            v3: v3["paths"].get(GROUP_VERSION).is_some(),
        }
    }
}

/// Waits until our group is in both versions of the hub's document.
pub(crate) async fn openapi_is_complete(hub: &Cluster) {
    let wanted = Listed { v2: true, v3: true };
    nudged(hub, "our group in the OpenAPI of the hub", || async {
        let listed = Listed::by(hub).await;
        if listed == wanted {
            Ok(())
        } else {
            Err(format!("{listed:?}"))
        }
    })
    .await;
}

/// Waits like [`eventually`], and repeatedly makes the aggregator check our `APIService`. By itself
/// the aggregator does so only twice a minute, and if its first request for a document fails, it
/// asks again only a minute later.
pub(crate) async fn nudged<S, F>(hub: &Cluster, what: &str, mut probe: impl FnMut() -> F)
where
    F: Future<Output = Result<(), S>>,
    S: Display,
{
    let (services, parameters) = (Api::<APIService>::all(hub.client()), PatchParams::default());
    for round in 1.. {
        let nudge = json!({"spokeway.e2e/nudge": round.to_string()});
        let nudge = Patch::Merge(json!({"metadata": {"annotations": nudge}}));
        services
            .patch(API_SERVICE, &parameters, &nudge)
            .await
            .unwrap();
        match eventually(NUDGE_EVERY, what, &mut probe).await {
            Ok(()) => break,
            Err(elapsed) => assert!(round < ROUNDS, "{elapsed}"),
        }
    }
}
