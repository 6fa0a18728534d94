//! The entrance behind the hub's API server: `clustergateways/NAME/attach`, upgraded to the
//! tunnel's protocol, or to WebSocket if something on the way passes nothing else. The hub has
//! authenticated the agent; hub RBAC and the agent's own user name decide which cluster it may attach.

use std::sync::Arc;

use crds::ClusterName;
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kubernetes::words::clipped;
use tracing::warn;
use tunnel::{
    PROTOCOL,
    websocket::{self, WebSocket},
};

use super::{Agent, Attach, Right};
use crate::{authentication::User, body::Body, status::Refusal, tunnels::identity::speaks_for};

impl Attach {
    /// Upgrades a request of `user`, whom RBAC lets attach, to a tunnel of `cluster`.
    pub(crate) fn upgrade(
        &self,
        mut request: Request<Incoming>,
        user: User,
        cluster: ClusterName,
    ) -> Result<Response<Body>, Refusal> {
        let admitted = self.admit(&user, &cluster);
        let framing = admitted
            .and_then(|()| Framing::of(&request).inspect_err(|_| self.tunnels.strip(&cluster)));
        let framing = match framing {
            Ok(framing) => framing,
            Err(refusal) => {
                let why = format!("{}: {}", user.name, refusal.message());
                self.refusals.refuse(cluster.as_str(), &why);
                return Err(refusal);
            }
        };
        let response = framing.response();
        let upgraded = hyper::upgrade::on(&mut request);
        let this = self.clone();
        self.tasks.spawn(async move {
            match upgraded.await {
                Ok(io) => {
                    let io = TokioIo::new(io);
                    let agent = |detour| Agent {
                        cluster,
                        right: Right::User(user),
                        detour,
                    };
                    match framing {
                        Framing::None => this.hold(io, &agent(None)).await,
                        Framing::WebSocket { because, .. } => {
                            let agent = agent(Some(because));
                            this.hold(WebSocket::server(io), &agent).await;
                        }
                    }
                }
                Err(error) => warn!(%cluster, %error, "agent went away while attaching"),
            }
        });
        Ok(response)
    }

    fn admit(&self, user: &User, cluster: &ClusterName) -> Result<(), Refusal> {
        if speaks_for(&user.name).as_ref() != Some(cluster) {
            return Err(not_its_own(user, cluster));
        }
        if self.ending.leaving.is_cancelled() {
            let message = "this replica of the gateway is shutting down: attach again";
            let refusal = Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                message,
            );
            return Err(refusal.of_cluster(cluster).retry_after(1));
        }
        match self.clusters.find_for_agent(cluster) {
            Ok(_) => Ok(()),
            Err(absent) => Err(absent.refusal(cluster)),
        }
    }
}

/// How the bytes of a tunnel lie on the upgraded connection.
#[derive(Debug, Eq, PartialEq)]
enum Framing {
    /// As they are.
    None,
    /// In WebSocket messages.
    WebSocket { accept: String, because: Arc<str> },
}

impl Framing {
    /// What a request asks for.
    fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let headers = request.headers();
        let is = |name: &HeaderName, value: &str| {
            headers
                .get(name)
                .is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
        };
        if request.version() == Version::HTTP_11 {
            if is(&UPGRADE, PROTOCOL) {
                return Ok(Self::None);
            }
            if is(&UPGRADE, "websocket")
                && is(&SEC_WEBSOCKET_VERSION, websocket::VERSION)
                && is(&SEC_WEBSOCKET_PROTOCOL, websocket::SUBPROTOCOL)
                && let Some(key) = headers.get(SEC_WEBSOCKET_KEY)
            {
                let accept = websocket::accept(key.as_bytes());
                let because = because(headers);
                return Ok(Self::WebSocket { accept, because });
            }
        }
        let message = format!(
            "attach requires an HTTP/1.1 upgrade to {PROTOCOL}, or to websocket with the subprotocol {}",
            websocket::SUBPROTOCOL
        );
        Err(Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            "UpgradeRequired",
            message,
        ))
    }

    fn response(&self) -> Response<Body> {
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(CONNECTION, "Upgrade");
        let response = match self {
            Self::None => response.header(UPGRADE, PROTOCOL),
            Self::WebSocket { accept, .. } => response
                .header(UPGRADE, "websocket")
                .header(SEC_WEBSOCKET_ACCEPT, accept)
                .header(SEC_WEBSOCKET_PROTOCOL, websocket::SUBPROTOCOL),
        };
        response.body(Body::Empty).expect("base64 and constants")
    }
}

/// Why an agent says that it comes by WebSocket.
fn because(headers: &HeaderMap) -> Arc<str> {
    let said = headers.get(websocket::BECAUSE);
    let said = said.and_then(|it| it.to_str().ok());
    said.map_or_else(|| "it does not say why".into(), |it| clipped(it).into())
}

fn not_its_own(user: &User, cluster: &ClusterName) -> Refusal {
    let message = format!(
        "user {:?} may not attach managed cluster {:?}: an agent may attach only the cluster that \
         its user name contains: system:serviceaccount:CLUSTER:NAME or \
         system:open-cluster-management:cluster:CLUSTER:addon:NAME",
        user.name,
        cluster.as_str()
    );
    Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message).of_cluster(cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(headers: &[(HeaderName, &str)]) -> Option<Framing> {
        let mut request = Request::new(());
        for (name, value) in headers {
            let value = value.parse().unwrap();
            request.headers_mut().insert(name, value);
        }
        Framing::of(&request).ok()
    }

    #[test]
    fn a_tunnel_comes_bare_or_by_websocket() {
        assert_eq!(framing(&[(UPGRADE, PROTOCOL)]), Some(Framing::None));
        let asked = [
            (UPGRADE, "WebSocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_PROTOCOL, PROTOCOL),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let accepted = framing(&asked).unwrap().response();
        assert_eq!(
            accepted.headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(accepted.headers()[UPGRADE], "websocket");
        let Some(Framing::WebSocket { because, .. }) = framing(&asked) else {
            panic!("no WebSocket");
        };
        assert_eq!(&*because, "it does not say why");
        for missing in 0..asked.len() {
            let mut less = asked.to_vec();
            less.remove(missing);
            assert_eq!(framing(&less), None, "{missing}");
        }
        assert_eq!(framing(&[(UPGRADE, "h2c")]), None);
    }
}
