//! Who vouches for a managed cluster that has no CA of its own.

use e2e::{Gateway, SpokeOptions, eventually};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{SOON, proxy};

const TRUST: &str = "cluster.core.oam.dev/trust-system-roots";

#[tokio::test]
async fn a_public_certificate_is_accepted_if_the_secret_asks_for_that() {
    let gateway = Gateway::shared().await;
    let options = SpokeOptions {
        name: Some("public".to_owned()),
        ca_pem: Some(String::new()),
        ..SpokeOptions::default()
    };
    let spoke = gateway.world.cluster("managed1");
    gateway.register_spoke(spoke, options).await.unwrap();
    let path = proxy("public", "/healthz");
    let refused = gateway.hub().kubectl(&["get", "--raw", &path]).run().await;
    let refused = refused.unwrap().stderr;
    assert!(refused.contains(&format!("{TRUST}=true")), "{refused}");

    let asks = Patch::Merge(json!({"metadata": {"annotations": {TRUST: "true"}}}));
    let (secrets, parameters) = (gateway.secrets(), PatchParams::default());
    secrets.patch("public", &parameters, &asks).await.unwrap();
    let reached = || async {
        let get = gateway.hub().kubectl(&["get", "--raw", &path]);
        get.ok().await
    };
    let reached = eventually(SOON, "the cluster", reached).await;
    assert_eq!(reached.unwrap(), "ok");
    gateway.unregister_spoke("public").await.unwrap();
}
