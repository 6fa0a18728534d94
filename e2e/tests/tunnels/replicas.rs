//! Gateways behind a Service that picks one at random answer as one. Each serves each cluster,
//! whichever of them is added, removed or killed.

#[path = "replicas/callers.rs"]
mod callers;
#[path = "replicas/forward.rs"]
mod forward;
#[path = "replicas/kill.rs"]
mod kill;
#[path = "replicas/load.rs"]
mod load;
#[path = "replicas/roll.rs"]
mod roll;
#[path = "replicas/scale.rs"]
mod scale;
#[path = "replicas/stage.rs"]
mod stage;
#[path = "replicas/streams.rs"]
mod streams;
#[path = "replicas/watches.rs"]
mod watches;

use self::stage::{SPOKES, Stage};

#[tokio::test]
async fn each_of_two_gateways_answers_for_each_cluster_and_again_after_a_restart() {
    let stage = Stage::start(&[]).await;
    stage.spreads().await;
    for spoke in SPOKES {
        stage.answers_forty_times(spoke).await;
    }
    for gateway in stage.replicas.each() {
        gateway.kill();
        gateway.restart().await.unwrap();
        stage.spreads().await;
        for spoke in SPOKES {
            stage.answers_forty_times(spoke).await;
        }
    }
}
