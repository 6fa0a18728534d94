//! An API server is down for a minute, with accounts in every moment of a token's life. Meanwhile
//! requests go through the gateway with the token of an account that has had it for long.

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use crds::cluster::ManagedCluster;
use e2e::{Cluster, Credentials, Gateway, GatewayOptions, ON_LOOPBACK, eventually};
use futures::future::join_all;
use http::Request;
use k8s_openapi::{
    ByteString, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, CustomResourceExt as _,
    api::{Patch, PatchParams},
    client::Body,
};
use serde_json::{Value, json};
use tokio::{join, time::sleep};

use super::{
    phases::{self, are_entered},
    stage::{CLUSTER, SOON, Stage},
};

/// The account whose token the gateway uses.
const ACCOUNT: &str = "cluster-gateway";
const AWAY: Duration = Duration::from_mins(1);
const BETWEEN_REQUESTS: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_hub_away_for_a_minute_fails_no_request_and_loses_nothing() {
    let stage = Stage::alone().await;
    let answers = outage(&stage, stage.hub()).await;
    // The caller is one that the gateway need not ask the hub about.
    assert_eq!(answers.keys().collect::<Vec<_>>(), [&200], "{answers:?}");
    assert!(answers[&200] > 100, "{answers:?}");
}

#[tokio::test]
async fn a_spoke_away_for_a_minute_costs_no_token_and_loses_nothing() {
    let stage = Stage::alone().await;
    let answers = outage(&stage, stage.spoke()).await;
    // A 403 comes from the managed cluster itself, because it serves a moment before it has read
    // its roles.
    let served = answers
        .keys()
        .all(|code| [200, 403, 502, 503, 504].contains(code));
    assert!(served && answers[&200] > 10, "{answers:?}");
}

/// Takes an API server down in every phase. Returns how often the gateway gave which answer
/// meanwhile.
async fn outage(stage: &Stage, server: &Cluster) -> BTreeMap<u16, u32> {
    let gateway = gateway(stage).await;
    let token = stage.token(ACCOUNT).await;
    let phases = phases::all();
    join_all(phases.iter().map(|phase| phase.prepare(stage))).await;
    let traps = join_all(phases.iter().map(|phase| phase.enter(stage))).await;
    are_entered(&traps).await;
    let (over, answers) = (Cell::new(false), Cell::new(BTreeMap::new()));
    let calling = async {
        while !over.get() {
            let mut counted = answers.take();
            *counted.entry(get(stage, &gateway).await).or_default() += 1;
            answers.set(counted);
            sleep(BETWEEN_REQUESTS).await;
        }
    };
    let away = async {
        sleep(BETWEEN_REQUESTS * 5).await;
        server.stop_apiserver();
        drop(traps);
        sleep(AWAY).await;
        server.start_apiserver().await.unwrap();
        is_served(stage, &gateway).await;
        over.set(true);
    };
    join!(calling, away);
    let are_over = phases.iter().map(|phase| {
        let lost = usize::from(phase.loses_an_answer());
        phase.is_over(stage, lost)
    });
    join_all(are_over).await;
    assert_eq!(
        stage.token(ACCOUNT).await,
        token,
        "a token that was good is kept"
    );
    assert_eq!(stage.issued(ACCOUNT).len(), 1);
    phases::all_die(stage, &phases).await;
    answers.take()
}

/// A gateway that serves the managed cluster with the account's token.
async fn gateway(stage: &Stage) -> Gateway {
    let definitions = Api::<CustomResourceDefinition>::all(stage.hub().client());
    let name = "managedclusters.cluster.open-cluster-management.io";
    apply(
        &definitions,
        name,
        serde_json::to_value(ManagedCluster::crd()).unwrap(),
    )
    .await
    .unwrap();
    let bundle = ByteString(stage.spoke().ca_pem().into_bytes());
    let config =
        json!({"url": stage.spoke().url(), "caBundle": serde_json::to_value(&bundle).unwrap()});
    let spec = json!({"hubAcceptsClient": true, "managedClusterClientConfigs": [config]});
    let clusters = Api::<ManagedCluster>::all(stage.hub().client());
    let registered = || async { apply(&clusters, CLUSTER, json!({"spec": spec})).await };
    eventually(SOON, "a ManagedCluster", registered)
        .await
        .unwrap();
    let options = GatewayOptions {
        args: vec![
            format!("--managed-service-account={ACCOUNT}"),
            ON_LOOPBACK.to_owned(),
        ],
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(stage.hub(), options).await.unwrap();
    stage.create(ACCOUNT, "24h").await;
    stage.says(ACCOUNT, "True TokenReported").await;
    is_served(stage, &gateway).await;
    gateway
}

async fn is_served(stage: &Stage, gateway: &Gateway) {
    let is_served = || async {
        let code = get(stage, gateway).await;
        if code == 200 { Ok(()) } else { Err(code) }
    };
    eventually(SOON, "the cluster is served", is_served)
        .await
        .unwrap();
}

/// The answer to a caller of the gateway's own port.
async fn get(stage: &Stage, gateway: &Gateway) -> u16 {
    let front_proxy = Credentials::Certificate(stage.hub().front_proxy_client().clone());
    let path = format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{CLUSTER}/proxy/api");
    let request = Request::get(path)
        .header("X-Remote-User", "admin")
        .header("X-Remote-Group", "system:masters")
        .body(Body::empty())
        .unwrap();
    let answer = gateway.client_with(&front_proxy).send(request).await;
    answer.unwrap().status().as_u16()
}

async fn apply<K>(api: &Api<K>, name: &str, mut body: Value) -> kube::Result<()>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    body["apiVersion"] = K::api_version(&()).into();
    body["kind"] = K::kind(&()).into();
    body["metadata"]["name"] = name.into();
    let parameters = PatchParams::apply("e2e").force();
    api.patch(name, &parameters, &Patch::Apply(&body))
        .await
        .map(drop)
}
