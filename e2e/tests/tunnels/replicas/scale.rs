//! From two gateways to three, and back.

use super::stage::{SPOKES, Stage};

#[tokio::test]
async fn a_third_gateway_answers_like_the_others_and_leaves_nothing_behind() {
    let mut stage = Stage::start(&["--shutdown-delay=2"]).await;
    stage.spreads().await;
    stage.replicas.add().await.unwrap();
    stage.answers().await;
    for spoke in SPOKES {
        stage.answers_forty_times(spoke).await;
    }
    let status = stage.replicas.remove_last().await;
    assert!(status.success(), "{status}");
    for spoke in SPOKES {
        stage.answers_forty_times(spoke).await;
    }
    stage.spreads().await;
}
