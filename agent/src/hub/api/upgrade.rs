//! One request to attach, and what its answer means.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crds::cluster_core::GROUP;
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, SERVER, UPGRADE, VIA,
    },
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use runtime::causes::chain;
use rustls::crypto::aws_lc_rs;
use serde::Deserialize;
use tunnel::websocket;

/// A refusal is a short Status. More of it is not worth a log line.
const LONGEST_MESSAGE: usize = 1024;

/// As many characters of a reason are sent.
const LONGEST_REASON: usize = 300;

/// How the bytes of the tunnel lie on the upgraded connection.
#[derive(Debug)]
pub(super) enum Framing {
    /// As they are.
    None,
    /// In WebSocket messages, and why.
    WebSocket { because: String },
}

/// Why a request was not upgraded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    /// There is no answer.
    #[error("hub's API server: {}", chain(.0))]
    Hub(#[from] kube::Error),
    /// The hub or the gateway refused.
    #[error("the hub refused with {status}: {message}")]
    Refused {
        status: StatusCode,
        message: String,
        /// It says that another attempt in a moment may succeed.
        is_passing: bool,
    },
    /// Somebody else answered, or the gateway saw no upgrade in the request.
    #[error("{who} answered {status}: {message}")]
    Between {
        who: String,
        status: StatusCode,
        message: String,
    },
    /// The answer is not one to the WebSocket key that was sent.
    #[error("the answer is not that of a WebSocket server")]
    NoWebSocket,
    /// There is no answer in time.
    #[error("hub's API server: it did not answer in time")]
    Late,
    /// The connection broke.
    #[error("the connection to the hub broke during the upgrade: {0}")]
    Broken(#[from] hyper::Error),
}

/// What a `metav1.Status` says.
#[derive(Deserialize)]
struct Status {
    kind: String,
    message: String,
    #[serde(default)]
    details: Details,
}

/// Its details, as far as they tell who refuses and for how long.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    group: String,
    retry_after_seconds: Option<u64>,
}

impl Details {
    /// Whether the gateway itself refuses, and only for the moment. A hub that is overloaded says when
    /// to come again, too, and must not be hurried.
    fn are_passing(&self, status: StatusCode) -> bool {
        status == StatusCode::SERVICE_UNAVAILABLE
            && self.group == GROUP
            && self.retry_after_seconds.is_some()
    }
}

impl Framing {
    fn protocol(&self) -> &'static str {
        match self {
            Self::None => tunnel::PROTOCOL,
            Self::WebSocket { .. } => "websocket",
        }
    }
}

impl UpgradeError {
    /// Whether another kind of upgrade might get through.
    pub(super) fn may_be_of_something_between(&self) -> bool {
        match self {
            Self::Between { .. } | Self::NoWebSocket | Self::Late | Self::Broken(_) => true,
            // It may have closed the connection for the upgrade's sake, or not have answered.
            Self::Hub(error) => !is_of_connecting(error),
            Self::Refused { .. } => false,
        }
    }
}

/// Asks for an upgrade of `cluster`'s tunnel.
pub(super) async fn upgrade(
    client: Client,
    cluster: &str,
    framing: &Framing,
) -> Result<TokioIo<Upgraded>, UpgradeError> {
    let key = STANDARD.encode(random::<16>());
    let response = client.send(request(cluster, framing, &key)?).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(response).await);
    }
    if let Framing::WebSocket { .. } = framing {
        let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        let expected = websocket::accept(key.as_bytes());
        if accept.is_none_or(|accept| accept.as_bytes() != expected.as_bytes()) {
            return Err(UpgradeError::NoWebSocket);
        }
    }
    Ok(TokioIo::new(hyper::upgrade::on(response).await?))
}

fn request(cluster: &str, framing: &Framing, key: &str) -> kube::Result<Request<Body>> {
    let path = format!("/apis/{GROUP}/v1alpha1/clustergateways/{cluster}/attach");
    let mut request = Request::get(path)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, framing.protocol());
    if let Framing::WebSocket { because } = framing {
        request = request
            .header(SEC_WEBSOCKET_VERSION, websocket::VERSION)
            .header(SEC_WEBSOCKET_PROTOCOL, websocket::SUBPROTOCOL)
            .header(SEC_WEBSOCKET_KEY, key)
            .header(websocket::BECAUSE, for_header(because));
    }
    request.body(Body::empty()).map_err(kube::Error::HttpError)
}

/// As much of a text as others are told, in characters that a header may have.
fn for_header(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() { c } else { ' ' };
    text.chars().take(LONGEST_REASON).map(plain).collect()
}

async fn refusal(response: Response<Body>) -> UpgradeError {
    let (head, body) = response.into_parts();
    let body = body.collect_bytes().await.unwrap_or_default();
    let status = head.status;
    let said = serde_json::from_slice::<Status>(&body).ok();
    match said.filter(|it| it.kind == "Status") {
        // The gateway asks for an upgrade, so that in the request was lost on the way.
        Some(said) if status == StatusCode::UPGRADE_REQUIRED => UpgradeError::Between {
            who: "the gateway, which saw no upgrade,".to_owned(),
            status,
            message: said.message,
        },
        Some(said) => UpgradeError::Refused {
            status,
            message: said.message,
            is_passing: said.details.are_passing(status),
        },
        None => {
            let begin = &body[..body.len().min(LONGEST_MESSAGE)];
            let message = String::from_utf8_lossy(begin).trim().to_owned();
            if is_outage(status) {
                let is_passing = false;
                return UpgradeError::Refused {
                    status,
                    message,
                    is_passing,
                };
            }
            UpgradeError::Between {
                who: who(&head.headers),
                status,
                message,
            }
        }
    }
}

/// What the hub's aggregator answers without a Status while there is no gateway, and others while
/// there is no hub. It says nothing about upgrades.
fn is_outage(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Who answered, as far as its headers tell.
fn who(headers: &HeaderMap) -> String {
    let told = |name: HeaderName| {
        let value = headers.get(&name)?.to_str().ok()?;
        Some(format!("{name}: {value}"))
    };
    let told: Vec<_> = [SERVER, VIA].into_iter().filter_map(told).collect();
    if told.is_empty() {
        "something that does not say what it is".to_owned()
    } else {
        format!("something with {}", told.join(", "))
    }
}

/// True if there was no connection at all.
fn is_of_connecting(error: &kube::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let sender = error.downcast_ref::<hyper_util::client::legacy::Error>();
        if sender.is_some_and(hyper_util::client::legacy::Error::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Bytes that nobody can predict.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let random = aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).expect("the kernel has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_gateway_itself_is_asked_again_soon() {
        let passing = |status: StatusCode, details: serde_json::Value| {
            let details: Details = serde_json::from_value(details).unwrap();
            details.are_passing(status)
        };
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let leaving = json!({"group": GROUP, "name": "managed1", "retryAfterSeconds": 1});
        assert!(passing(unavailable, leaving.clone()));
        assert!(!passing(StatusCode::TOO_MANY_REQUESTS, leaving));
        assert!(!passing(unavailable, json!({"retryAfterSeconds": 1})));
        assert!(!passing(unavailable, json!({"group": GROUP})));
    }
}
