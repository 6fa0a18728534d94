//! The two gateways that an installation has by default answer as one.

use e2e::eventually;

use crate::{HEALTHZ, NAMESPACE, SOON, Stage};

const PODS: [&str; 6] = [
    "get",
    "pods",
    "--namespace",
    NAMESPACE,
    "--selector=app.kubernetes.io/name=spokeway-gateway",
    "--output=name",
];

/// Each request comes from a client of its own, at the start and right after one of the gateways
/// was deleted.
pub(crate) async fn answer_as_one(stage: &Stage) {
    linked(stage).await;
    forty_of_forty(stage).await;
    let pods = stage.on_hub(&PODS).await.unwrap();
    let pods: Vec<_> = pods.lines().collect();
    assert_eq!(pods.len(), 2, "{pods:?}");
    let delete = ["delete", "--namespace", NAMESPACE, "--wait=false", pods[0]];
    stage.on_hub(&delete).await.unwrap();
    forty_of_forty(stage).await;
    let replaced = || async {
        let now = stage.on_hub(&PODS).await?;
        let goes = now.lines().any(|pod| pod == pods[0]);
        if !goes && now.lines().count() == 2 {
            Ok(())
        } else {
            Err(now)
        }
    };
    eventually(SOON, "another pod took its place", replaced)
        .await
        .unwrap();
    forty_of_forty(stage).await;
}

async fn linked(stage: &Stage) {
    let logs = || async {
        let logs = ["logs", "--all-pods", "--namespace", NAMESPACE];
        let logs = [logs.as_slice(), &["deployment/spokeway-gateway"]].concat();
        let logs = stage.on_hub(&logs).await?;
        match logs.matches("linked to another replica").count() {
            2.. => Ok(()),
            _ => Err(logs),
        }
    };
    eventually(SOON, "each gateway has a link to the other", logs)
        .await
        .unwrap();
}

async fn forty_of_forty(stage: &Stage) {
    for number in 0..40 {
        let answer = stage.on_hub(&["get", "--raw", HEALTHZ]).await;
        assert_eq!(answer.as_deref(), Ok("ok"), "request {number}");
    }
}
