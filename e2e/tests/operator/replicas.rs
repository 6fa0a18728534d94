//! Two gateways that something else runs (`deployment: External`) and that find each other by flag.

use e2e::{
    Cluster, GatewayOptions, Operator, ProcessKubelet, Replicas, World,
    ocm::{KlusterletOptions, Ocm},
};

use super::hub::{kubectl, soon};

const CLUSTER: &str = "managed1";

#[tokio::test]
async fn gateways_that_know_each_other_by_flag_answer_as_one_for_the_agents_of_the_operator() {
    let world = World::builder().cluster("hub").cluster(CLUSTER);
    let world = world.start().await.unwrap();
    let (hub, spoke) = (world.cluster("hub"), world.cluster(CLUSTER));
    let ocm = Ocm::start(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let options = GatewayOptions::for_operator();
    let mut replicas = Replicas::start(hub, &options, 2).await.unwrap();
    let _operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    let undialled = KlusterletOptions {
        dialable: false,
        ..KlusterletOptions::default()
    };
    let _klusterlet = ocm.join(spoke, undialled).await.unwrap();
    let _kubelet = ProcessKubelet::start(spoke).unwrap();
    configure(hub, &replicas).await;

    soon("the cluster is reached", || healthz(hub)).await;
    soon("each gateway has a tunnel", || each_has_a_tunnel(&replicas)).await;
    answers_forty_times(hub).await;
    // What runs the gateways adds one, and tells the operator its CA.
    replicas.add().await.unwrap();
    configure(hub, &replicas).await;
    soon("the third one has a tunnel", || {
        each_has_a_tunnel(&replicas)
    })
    .await;
    answers_forty_times(hub).await;
}

async fn configure(hub: &Cluster, replicas: &Replicas) {
    let configuration = Operator::configuration_of_replicas(replicas);
    let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(configuration);
    apply.ok().await.unwrap();
}

async fn healthz(hub: &Cluster) -> Result<(), String> {
    let path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy/healthz";
    let answer = kubectl(hub, &["get", "--raw", path]).await?;
    if answer == "ok" { Ok(()) } else { Err(answer) }
}

async fn each_has_a_tunnel(replicas: &Replicas) -> Result<(), String> {
    for gateway in replicas.each() {
        let metrics = e2e::Metrics::of_gateway(gateway).await;
        let metrics = metrics.map_err(|error| error.to_string())?;
        if metrics.sum("gateway_tunnels", &[]) == 0 {
            return Err(format!("the one at port {} has none", gateway.port()));
        }
    }
    Ok(())
}

async fn answers_forty_times(hub: &Cluster) {
    for number in 0..40 {
        let answer = healthz(hub).await;
        assert_eq!(answer, Ok(()), "request {number}");
    }
}
