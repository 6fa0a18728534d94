//! `clustergateways` at two gateways: both show the same, and a watch can continue at the other
//! one.

use std::time::Duration;

use e2e::{
    Cluster, Credentials, Gateway, GatewayOptions, Replicas, SpokeOptions, World, eventually,
};
use http::Request;
use serde_json::Value;

use super::stage::GATEWAYS;

const SOON: Duration = Duration::from_secs(20);

struct Stage {
    world: World,
    replicas: Replicas,
}

impl Stage {
    async fn start() -> Self {
        let world = World::builder().cluster("hub").bare_cluster("managed1");
        let world = world.start().await.unwrap();
        let options = GatewayOptions::default();
        let replicas = Replicas::start(world.cluster("hub"), &options, 2);
        let replicas = replicas.await.unwrap();
        let stage = Self { world, replicas };
        for name in ["stays", "goes"] {
            stage.register(name).await;
        }
        stage
    }

    fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    /// Registers one API server under any number of names.
    async fn register(&self, name: &str) {
        let options = SpokeOptions {
            name: Some(name.to_owned()),
            ..SpokeOptions::default()
        };
        let first = &self.replicas.each()[0];
        let registered = first.register_spoke(self.world.cluster("managed1"), options);
        registered.await.unwrap();
    }

    /// The answer of one of the gateways to an administrator, without the hub.
    async fn get(&self, gateway: &Gateway, path: &str) -> Result<String, String> {
        let identity = Credentials::Certificate(self.hub().front_proxy_client().clone());
        let request = Request::get(path)
            .header("X-Remote-User", "admin")
            .header("X-Remote-Group", "system:masters")
            .body(kube::client::Body::empty())
            .unwrap();
        let answered = gateway.client_with(&identity).send(request).await;
        let body = answered.map_err(|error| error.to_string())?.into_body();
        let body = body.collect_bytes().await;
        let body = body.map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn list(&self, gateway: &Gateway) -> Result<Value, String> {
        let listed = self.get(gateway, GATEWAYS).await?;
        serde_json::from_str(&listed).map_err(|error| format!("{error}: {listed}"))
    }

    /// The list of both gateways, when it is the same.
    async fn both_list(&self, names: &[&str]) -> Value {
        let same = || async {
            let [one, other] = self.replicas.each() else {
                panic!("there are two");
            };
            let (one, other) = (self.list(one).await?, self.list(other).await?);
            let items = one["items"].as_array().ok_or_else(|| one.to_string())?;
            let listed: Vec<_> = items.iter().map(|it| &it["metadata"]["name"]).collect();
            if one["items"] == other["items"] && listed == names {
                Ok(one)
            } else {
                Err(format!("{one}\n{other}"))
            }
        };
        eventually(SOON, "both gateways list the same", same)
            .await
            .unwrap()
    }

    /// The events of a watch from a revision, each with its object's name.
    async fn watch(&self, gateway: &Gateway, revision: &Value) -> Vec<String> {
        let revision = revision.as_str().unwrap();
        let query = format!("watch=1&resourceVersion={revision}&timeoutSeconds=3");
        let path = format!("{GATEWAYS}?{query}");
        let lines = self.get(gateway, &path).await.unwrap();
        let event = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            let name = event["object"]["metadata"]["name"].as_str();
            let name = name.unwrap_or_else(|| panic!("{line}"));
            format!("{} {name}", event["type"].as_str().unwrap())
        };
        lines.lines().map(event).collect()
    }
}

#[tokio::test]
async fn each_gateway_shows_the_same_and_a_watch_goes_on_at_the_other() {
    let stage = Stage::start().await;
    let [one, other] = stage.replicas.each() else {
        panic!("there are two");
    };
    let begin = stage.both_list(&["goes", "stays"]).await;
    let revision = &begin["metadata"]["resourceVersion"];

    stage.register("comes").await;
    one.unregister_spoke("goes").await.unwrap();
    // Only one of them has ever connected to the cluster, but both report it as healthy.
    let path = format!("{GATEWAYS}/stays/proxy/healthz");
    assert_eq!(stage.get(one, &path).await.unwrap(), "ok");
    let now = stage.both_list(&["comes", "stays"]).await;
    let both = || async {
        let now = stage.list(other).await?;
        let stays = &now["items"][1];
        if stays["status"]["healthy"] == true && stays == &stage.list(one).await?["items"][1] {
            Ok(())
        } else {
            Err(now.to_string())
        }
    };
    let said = eventually(SOON, "both say that it is healthy", both);
    said.await.unwrap();
    let numbered = |listed: &Value| {
        let revision = listed["metadata"]["resourceVersion"].as_str();
        revision.unwrap().parse::<u64>().unwrap()
    };
    assert!(numbered(&now) > numbered(&begin));

    for gateway in [other, one] {
        let mut events = stage.watch(gateway, revision).await;
        events.sort();
        assert_eq!(events, ["ADDED comes", "DELETED goes", "MODIFIED stays"]);
    }
    // A gateway that has just started knows what was removed before its start.
    other.kill();
    other.restart().await.unwrap();
    stage.both_list(&["comes", "stays"]).await;
    let events = stage.watch(other, revision).await;
    for event in ["comes", "stays"] {
        assert!(events.iter().any(|it| it.ends_with(event)), "{events:?}");
    }
    assert!(events.contains(&"DELETED goes".to_owned()), "{events:?}");
}
