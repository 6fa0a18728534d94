//! exec, attach, port-forward and cp need an upgraded connection. Without a node there is no pod to
//! exec into, so the spoke here is a TLS server that agrees to upgrades. Hub, aggregator and
//! gateway are real.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "upgrades/spoke.rs"]
mod spoke;

use std::time::Duration;

use e2e::{Credentials, Gateway, Http1, SharedGateway, eventually};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink},
    time::timeout,
};

use self::spoke::{GOODBYE, Spoke};

const BULK: u64 = 100 << 20;
const PROMPTLY: Duration = Duration::from_secs(1);
const SPDY: [(&str, &str); 2] = [("connection", "Upgrade"), ("upgrade", "SPDY/3.1")];
const WEBSOCKET: [(&str, &str); 2] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
];

/// A gateway, a spoke that agrees to upgrades, and both entrances.
struct Stage {
    gateway: SharedGateway,
    spoke: Spoke,
    name: &'static str,
}

impl Stage {
    async fn with_spoke(name: &'static str) -> Self {
        let gateway = Gateway::shared().await;
        let spoke = Spoke::start().await;
        let token = Credentials::Token("token-of-the-gateway".to_owned());
        gateway
            .write_spoke(name, &spoke.url, &spoke.ca_pem, &token)
            .await
            .unwrap();
        let stage = Self {
            gateway,
            spoke,
            name,
        };
        let known = || async {
            let answer = stage.at_the_door("/refuse", &[]).await.status();
            if answer == 403 { Ok(()) } else { Err(answer) }
        };
        eventually(
            Duration::from_secs(10),
            "the gateway knows the spoke",
            known,
        )
        .await
        .unwrap();
        stage
    }

    fn path(&self, tail: &str) -> String {
        format!(
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{}/proxy{tail}",
            self.name
        )
    }

    /// A client at the gateway's own port, like the hub's API server.
    async fn at_the_door(
        &self,
        tail: &str,
        headers: &[(&str, &str)],
    ) -> http::Response<hyper::body::Incoming> {
        let hub = Credentials::Certificate(self.gateway.hub().front_proxy_client().clone());
        let client = Http1::new(&self.gateway.url(), &self.gateway.ca_pem(), &hub).unwrap();
        let caller = [
            ("x-remote-user", "root"),
            ("x-remote-group", "system:masters"),
        ];
        let headers: Vec<_> = headers.iter().chain(&caller).copied().collect();
        let response = client.get(&self.path(tail), &headers).await.unwrap();
        self.spoke.keep(client);
        response
    }

    /// A client of the hub's API server, as its admin.
    async fn through_the_hub(
        &self,
        tail: &str,
        headers: &[(&str, &str)],
    ) -> http::Response<hyper::body::Incoming> {
        let hub = self.gateway.hub();
        let client = Http1::new(hub.url(), &hub.ca_pem(), hub.admin()).unwrap();
        let response = client.get(&self.path(tail), headers).await.unwrap();
        self.spoke.keep(client);
        response
    }
}

/// The byte stream of an answer that agreed to `protocol`.
async fn pipe(answer: http::Response<hyper::body::Incoming>, protocol: &str) -> TokioIo<Upgraded> {
    assert_eq!(answer.status(), 101, "{answer:?}");
    assert_eq!(answer.headers()["upgrade"], protocol);
    assert_eq!(answer.headers()["connection"], "Upgrade");
    TokioIo::new(hyper::upgrade::on(answer).await.unwrap())
}

#[tokio::test]
async fn bytes_go_both_ways_over_spdy_and_websocket_by_both_doors() {
    let stage = Stage::with_spoke("upgrades-echo").await;
    for (headers, protocol) in [(&SPDY, "SPDY/3.1"), (&WEBSOCKET, "websocket")] {
        let answers = [
            stage.at_the_door("/echo", headers).await,
            stage.through_the_hub("/echo", headers).await,
        ];
        for answer in answers {
            let mut pipe = pipe(answer, protocol).await;
            for message in ["ping", "pong"] {
                pipe.write_all(message.as_bytes()).await.unwrap();
                let mut echoed = [0; 4];
                timeout(PROMPTLY, pipe.read_exact(&mut echoed))
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(echoed, message.as_bytes());
            }
        }
    }
    assert_eq!(
        stage.spoke.authorizations(),
        ["Bearer token-of-the-gateway"]
    );
}

#[tokio::test]
async fn a_caller_in_hundreds_of_groups_upgrades_as_any_other() {
    let stage = Stage::with_spoke("upgrades-groups").await;
    let groups: Vec<_> = (0..300).map(|group| format!("group-{group}")).collect();
    let groups = groups.iter().map(String::as_str).chain(["system:masters"]);
    let mut headers = SPDY.to_vec();
    headers.push(("impersonate-user", "member-of-many"));
    headers.extend(groups.map(|group| ("impersonate-group", group)));
    let answer = stage.through_the_hub("/echo", &headers).await;
    pipe(answer, "SPDY/3.1").await;
}

#[tokio::test]
async fn one_end_may_finish_long_before_the_other() {
    let stage = Stage::with_spoke("upgrades-half-close").await;
    let mut pipe = pipe(stage.at_the_door("/echo", &SPDY).await, "SPDY/3.1").await;
    pipe.write_all(b"last words").await.unwrap();
    pipe.shutdown().await.unwrap();
    // The spoke answers after it has seen the end of what we sent.
    let mut rest = String::new();
    pipe.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, format!("last words{GOODBYE}"));
}

#[tokio::test]
async fn a_hundred_megabytes_arrive_whole_in_each_direction() {
    let stage = Stage::with_spoke("upgrades-bulk").await;
    let mut down = pipe(
        stage.at_the_door(&format!("/send/{BULK}"), &SPDY).await,
        "SPDY/3.1",
    )
    .await;
    assert_eq!(copy(&mut down, &mut sink()).await.unwrap(), BULK);

    let mut up = pipe(stage.at_the_door("/count", &SPDY).await, "SPDY/3.1").await;
    copy(&mut tokio::io::repeat(7).take(BULK), &mut up)
        .await
        .unwrap();
    up.shutdown().await.unwrap();
    let mut counted = String::new();
    up.read_to_string(&mut counted).await.unwrap();
    assert_eq!(counted, BULK.to_string());
}

#[tokio::test]
async fn a_caller_who_leaves_is_gone_at_the_spoke_at_once() {
    let stage = Stage::with_spoke("upgrades-cancel").await;
    let pipe = pipe(stage.at_the_door("/echo", &SPDY).await, "SPDY/3.1").await;
    let open = || async {
        if stage.spoke.open() == 1 {
            Ok(())
        } else {
            Err(stage.spoke.open())
        }
    };
    eventually(PROMPTLY, "the spoke holds the pipe", open)
        .await
        .unwrap();
    drop(pipe);
    stage.spoke.hang_up();
    let gone = || async {
        if stage.spoke.open() == 0 {
            Ok(())
        } else {
            Err(stage.spoke.open())
        }
    };
    eventually(PROMPTLY, "the spoke's pipe has ended", gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_refused_upgrade_passes_through_with_its_body() {
    let stage = Stage::with_spoke("upgrades-refused").await;
    for answer in [
        stage.at_the_door("/refuse", &SPDY).await,
        stage.through_the_hub("/refuse", &WEBSOCKET).await,
    ] {
        assert_eq!(answer.status(), 403);
        let body = http_body_util::BodyExt::collect(answer.into_body())
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(body, "no pipe for you");
    }
}

#[tokio::test]
async fn upgrades_that_kubernetes_does_not_speak_are_ignored() {
    let stage = Stage::with_spoke("upgrades-h2c").await;
    let h2c = [
        ("connection", "Upgrade, HTTP2-Settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
    ];
    let answer = stage.at_the_door("/headers", &h2c).await;
    assert_eq!(answer.status(), 200);
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap()
        .to_bytes();
    let seen = String::from_utf8_lossy(&body);
    for header in ["upgrade", "connection", "http2-settings", "x-remote-user"] {
        assert!(!seen.contains(header), "{seen}");
    }
}
