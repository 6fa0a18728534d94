//! Callers who come to the gateway without the hub's API server, with their own credentials of the hub.

use std::time::Duration;

use e2e::{Cluster, Credentials, Gateway, GatewayOptions, eventually};
use http::StatusCode;

use crate::{SOON, door::Door, proxy};

const READS: [&str; 5] = ["get", "namespace", "default", "-o", "name"];
/// The same without discovery, whose errors kubectl does not tell.
const RAW: [&str; 3] = ["get", "--raw", "/api/v1/namespaces/default"];
const TTL: Duration = Duration::from_hours(1);

/// kubectl of somebody with these credentials, straight at the gateway.
async fn kubectl(
    gateway: &Gateway,
    name: &str,
    credentials: &Credentials,
    args: &[&str],
) -> (bool, String) {
    let hub = gateway.hub();
    let server = format!("{}{}", gateway.url(), proxy("managed1", ""));
    let file = format!("direct-{name}.kubeconfig");
    let kubeconfig = hub.write_kubeconfig(&file, &server, &gateway.ca_pem(), credentials);
    let done = hub.kubectl_with(&kubeconfig.unwrap(), args).run().await;
    let done = done.unwrap();
    let said = format!("{}{}", done.stdout, done.stderr);
    (done.status.success(), said)
}

async fn permit(hub: &Cluster, name: &str, subject: &str) {
    let bind = [
        "create",
        "clusterrolebinding",
        name,
        "--clusterrole=spokeway-direct-test",
        subject,
    ];
    hub.kubectl(&bind).ok().await.unwrap();
}

#[tokio::test]
async fn kubectl_works_straight_at_the_gateway_with_credentials_of_the_hub() {
    let shared = Gateway::shared().await;
    let hub = shared.hub();
    let options = GatewayOptions {
        args: vec!["--direct-access".to_owned()],
        ..GatewayOptions::default()
    };
    let gateway = Gateway::unregistered(hub, options).await.unwrap();
    let role = [
        "create",
        "clusterrole",
        "spokeway-direct-test",
        "--verb=get",
        "--resource=clustergateways.cluster.core.oam.dev/proxy",
    ];
    hub.kubectl(&role).ok().await.unwrap();

    // By a client certificate.
    let alice = hub.certificate_of("direct-alice", &["direct"]).unwrap();
    let refused = eventually(SOON, "the gateway to know the hub", || async {
        let (_, said) = kubectl(&gateway, "alice", &alice, &READS).await;
        if said.contains("Forbidden") {
            Ok(said)
        } else {
            Err(said)
        }
    });
    let refused = refused.await.unwrap();
    assert!(
        refused.contains("User \"direct-alice\" cannot get"),
        "{refused}"
    );
    permit(hub, "direct-alice", "--group=direct").await;
    let reached = |name: &'static str, credentials: Credentials| {
        let gateway = &gateway;
        async move {
            let seen = eventually(Duration::from_secs(20), name, || async {
                let (works, said) = kubectl(gateway, name, &credentials, &READS).await;
                if works { Ok(said) } else { Err(said) }
            });
            assert_eq!(seen.await.unwrap().trim(), "namespace/default");
        }
    };
    reached("alice", alice.clone()).await;

    // By a token of a ServiceAccount of the hub.
    let token = hub
        .service_account_token("default", "direct-bot", TTL)
        .await;
    permit(hub, "direct-bot", "--serviceaccount=default:direct-bot").await;
    reached("bot", Credentials::Token(token.unwrap())).await;

    strangers_are_refused(&gateway, shared.world.cluster("managed1")).await;
    nobody_acts_as_somebody_else(&gateway, &alice).await;
    // Where it is off, only the hub's API server may call.
    let (works, said) = kubectl(&shared, "alice", &alice, &RAW).await;
    assert!(!works && said.contains("must be logged in"), "{said}");
}

/// A spoke's own credentials are none of the hub.
async fn strangers_are_refused(gateway: &Gateway, spoke: &Cluster) {
    for (name, credentials) in [
        (
            "stranger",
            spoke.certificate_of("direct-alice", &["direct"]).unwrap(),
        ),
        ("false-token", Credentials::Token("nonsense".to_owned())),
    ] {
        let (works, said) = kubectl(gateway, name, &credentials, &RAW).await;
        assert!(
            !works && said.contains("must be logged in"),
            "{name}: {said}"
        );
    }
}

/// Neither by --as nor by the headers of the front proxy.
async fn nobody_acts_as_somebody_else(gateway: &Gateway, alice: &Credentials) {
    let as_admin = [&RAW[..], &["--as=admin"]].concat();
    let (works, said) = kubectl(gateway, "alice", alice, &as_admin).await;
    assert!(!works && said.contains("(--as)"), "{said}");
    let mallory = gateway.hub().certificate_of("direct-mallory", &[]).unwrap();
    let Credentials::Certificate(identity) = mallory else {
        panic!("it is a certificate");
    };
    let door = Door::open_with(gateway, &identity).await;
    let (code, said) = door.get(&proxy("managed1", "/healthz")).await;
    assert_eq!(code, StatusCode::FORBIDDEN, "{said}");
    assert!(said.contains("direct-mallory"), "{said}");
}
