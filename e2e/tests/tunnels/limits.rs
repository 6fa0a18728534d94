//! What one caller has open at a cluster keeps nobody else from it.

use std::time::Duration;

use e2e::{Agent, AgentOptions, Credentials, Http1, eventually};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt as _;
use hyper::upgrade::{Upgraded, on};
use serde_json::Value;

use super::stage::{GATEWAYS, Stage};

const WEBSOCKET: [(&str, &str); 5] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("origin", "https://localhost"),
];
/// More than one caller may open.
const MANY: usize = 40;

/// A caller who may do everything.
struct Caller {
    credentials: Credentials,
}

/// A watch over WebSocket.
type Watch = (Http1, Upgraded);

/// A refusal.
struct Refused {
    code: StatusCode,
    headers: HeaderMap,
    status: Value,
}

impl Caller {
    fn named(stage: &Stage, name: &str) -> Self {
        let credentials = stage.hub().certificate_of(name, &["system:masters"]);
        Self {
            credentials: credentials.unwrap(),
        }
    }

    async fn watch(&self, stage: &Stage) -> Result<Watch, Refused> {
        let hub = stage.hub();
        let client = Http1::new(hub.url(), &hub.ca_pem(), &self.credentials).unwrap();
        let path = format!("{GATEWAYS}/managed1/proxy/api/v1/namespaces?watch=true");
        let answer = client.get(&path, &WEBSOCKET).await.unwrap();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok((client, on(answer).await.unwrap()));
        }
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Err(Refused {
            code: head.status,
            headers: head.headers,
            status: serde_json::from_slice(&body).unwrap(),
        })
    }

    /// Opens watches until one is refused.
    async fn watch_until_refused(&self, stage: &Stage) -> (Vec<Watch>, Refused) {
        let mut open = Vec::new();
        for _ in 0..MANY {
            match self.watch(stage).await {
                Ok(watch) => open.push(watch),
                Err(refused) => return (open, refused),
            }
        }
        panic!("{MANY} watches were opened");
    }
}

impl Refused {
    /// The phase of a refusal that may be sent again.
    fn phase(&self) -> &str {
        assert_eq!(self.code, StatusCode::TOO_MANY_REQUESTS, "{}", self.status);
        assert_eq!(self.headers[RETRY_AFTER], "1");
        assert_eq!(self.status["reason"], "TooManyRequests");
        assert_eq!(self.status["details"]["name"], "managed1");
        self.status["details"]["causes"][0]["reason"]
            .as_str()
            .unwrap()
    }
}

#[tokio::test]
async fn one_cluster_has_only_so_many_tunnels() {
    let stage = Stage::with_two().await;
    let _other = stage.agent("managed2").await;
    let soon = Duration::from_secs(20);
    let mut agents = Vec::new();
    for _ in 0..5 {
        let options = AgentOptions {
            args: vec!["--connections=16".to_owned()],
            ..AgentOptions::default()
        };
        let spoke = stage.world.cluster("managed1");
        agents.push(Agent::start(stage.hub(), spoke, options).await.unwrap());
    }
    let refused = || async {
        let refused = stage.metric("gateway_attach_refusals_total").await;
        if refused > 0.0 { Ok(()) } else { Err(refused) }
    };
    eventually(soon, "an agent is refused", refused)
        .await
        .unwrap();
    let tunnels = stage.metric("gateway_tunnels{cluster=\"managed1\"}").await;
    assert!((1.0..=64.0).contains(&tunnels), "{tunnels}");
    assert_eq!(stage.get("managed2", "/healthz").await.0, 200);
}

#[tokio::test]
async fn streams_of_one_caller_keep_nobody_from_the_cluster() {
    let stage = Stage::with_one().await;
    let spoke = stage.world.cluster("managed1");
    let options = AgentOptions::default();
    let _agent = Agent::attached(stage.hub(), spoke, options).await.unwrap();
    let attached = || async {
        let tunnels = stage.metric("gateway_tunnels").await;
        if tunnels > 0.0 { Ok(()) } else { Err(tunnels) }
    };
    let soon = Duration::from_secs(10);
    eventually(soon, "the gateway has the tunnel", attached)
        .await
        .unwrap();

    let alice = Caller::named(&stage, "alice");
    let (of_alice, refused) = alice.watch_until_refused(&stage).await;
    assert_eq!((of_alice.len(), refused.phase()), (32, "Limit"));
    let message = refused.status["message"].as_str().unwrap();
    assert!(message.contains("you have 32 exec"), "{message}");

    // With seven others, 256 such streams are open, and no pooled connection is open yet. There is no
    // place for more of them, but requests of everybody still get one.
    let mut of_others = Vec::new();
    for number in 1..8 {
        let caller = Caller::named(&stage, &format!("caller{number}"));
        for _ in 0..32 {
            let watch = caller.watch(&stage).await;
            of_others.push(watch.map_err(|refused| refused.status).unwrap());
        }
    }
    let carol = Caller::named(&stage, "carol");
    let refused = carol.watch(&stage).await.err().unwrap();
    assert_eq!(refused.phase(), "Limit");
    let message = refused.status["message"].as_str().unwrap();
    assert!(message.contains("256"), "{message}");
    let (code, body) = stage.get("managed1", "/healthz").await;
    assert_eq!((code, body.as_str()), (200, "ok"));
    assert!(stage.metric("gateway_limited_requests_total").await >= 2.0);

    // What ends makes room.
    drop(of_alice);
    let again = || async {
        match carol.watch(&stage).await {
            Ok(watch) => Ok(watch),
            Err(refused) => Err(refused.status),
        }
    };
    let next = eventually(soon, "there is room again", again).await;
    of_others.push(next.unwrap());
}
