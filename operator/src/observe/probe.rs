//! Asks what only the gateway server knows: whether it is ready, and the state of the clusters.
//! Writes nothing.

mod clusters;

use std::{collections::BTreeMap, time::Duration};

use crds::gateway::{ExternalServer, SETTINGS_PATH, ServerSettings};
use http::Request;
use k8s_openapi::{ByteString, api::core::v1::Service};
use kube::{Api, Client, Config};
use kubernetes::{access::Access, words::clipped};
use runtime::{causes::root, trust};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, interval, timeout},
};

pub(crate) use self::clusters::clusters;
use crate::observed::GatewaySeen;

const ASK_SERVER_EVERY: Duration = Duration::from_secs(2);
/// How often the address is looked up again while the server answers.
const LOOK_UP_EVERY: Duration = Duration::from_mins(1);
const DEADLINE: Duration = Duration::from_secs(5);
/// How many answers may wait in the channel to the engine.
pub(crate) const WAITING: usize = 4;

/// The server that is probed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) server: ExternalServer,
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) enum Answer {
    Server(Result<Option<ServerSettings>, String>),
    Clusters(BTreeMap<String, GatewaySeen>),
}

/// Why the server counts as not ready.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("its Service does not exist")]
    Absent,
    #[error("the operator has no right to read its Service: {0}")]
    Forbidden(String),
    #[error("its caBundle contains no certificate")]
    Bundle,
    #[error("its address is not a valid URL: {0}")]
    Address(http::uri::InvalidUri),
    #[error("{address} answers that it is not ready: {said}")]
    Unready { address: String, said: String },
    #[error("{address} does not answer: {cause}")]
    Unreachable { address: String, cause: String },
    #[error("{address} did not answer within {} s", DEADLINE.as_secs())]
    Late { address: String },
    #[error("no client for it can be made: {0}")]
    Client(kube::Error),
}

impl ProbeError {
    fn of(address: &str, error: &kube::Error) -> Self {
        let address = address.to_owned();
        match error {
            kube::Error::Api(status) => Self::Unready {
                address,
                said: clipped(&status.message),
            },
            error => Self::Unreachable {
                address,
                cause: root(error),
            },
        }
    }
}

/// A server that answered, and when its address was looked up.
struct Found {
    target: Target,
    address: String,
    client: Client,
    since: Instant,
}

/// Asks the server whether it is ready, for as long as a target is set.
pub(crate) async fn server(
    hub: Client,
    mut targets: watch::Receiver<Option<Target>>,
    answers: mpsc::Sender<Answer>,
) {
    let mut ticks = interval(ASK_SERVER_EVERY);
    let mut found: Option<Found> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = targets.changed() => {}
        }
        let Some(target) = targets.borrow_and_update().clone() else {
            continue;
        };
        let known = found
            .take()
            .filter(|it| it.target == target && it.since.elapsed() < LOOK_UP_EVERY);
        let looked_up = match known {
            Some(known) => Ok(known),
            None => match look_up(&hub, target).await {
                Some(looked_up) => looked_up,
                // If the hub does not answer, nothing is known about the server either.
                None => continue,
            },
        };
        let asked = match looked_up {
            Ok(it) => {
                let asked = ask(&it).await;
                found = asked.is_ok().then_some(it);
                asked
            }
            Err(error) => Err(error),
        };
        let answer = Answer::Server(asked.map_err(|error| error.to_string()));
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

/// Looks up the server's address. `None` if the hub does not answer.
async fn look_up(hub: &Client, target: Target) -> Option<Result<Found, ProbeError>> {
    let services: Api<Service> = Api::namespaced(hub.clone(), &target.namespace);
    let found = timeout(DEADLINE, services.get_opt(&target.server.service)).await;
    let service = match found {
        Ok(Ok(service)) => service.ok_or(ProbeError::Absent),
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
            Err(ProbeError::Forbidden(status.message))
        }
        _ => return None,
    };
    Some(service.and_then(|service| {
        let address = address(&service, &target);
        Ok(Found {
            client: anonymous(&address, &target)?,
            target,
            address,
            since: Instant::now(),
        })
    }))
}

/// Asks whether the server is ready, and then for its settings. `None` if it does not tell them.
async fn ask(server: &Found) -> Result<Option<ServerSettings>, ProbeError> {
    get(server, "/readyz").await?;
    match get(server, SETTINGS_PATH).await {
        Ok(settings) => Ok(serde_json::from_str(&settings).ok()),
        Err(ProbeError::Unready { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get(server: &Found, path: &str) -> Result<String, ProbeError> {
    let Found {
        client, address, ..
    } = server;
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|error| ProbeError::Client(kube::Error::HttpError(error)))?;
    let late = || ProbeError::Late {
        address: address.clone(),
    };
    timeout(DEADLINE, client.request_text(request))
        .await
        .map_err(|_| late())?
        .map_err(|error| ProbeError::of(address, &error))
}

/// The address of a Service, as the hub's API server reaches it.
fn address(service: &Service, target: &Target) -> String {
    let spec = service.spec.as_ref();
    let outside = spec.and_then(|spec| spec.external_name.as_deref());
    let Target { namespace, server } = target;
    let host = outside.map_or_else(|| host(&server.service, namespace), str::to_owned);
    format!("https://{host}:{}", server.port)
}

fn host(service: &str, namespace: &str) -> String {
    format!("{service}.{namespace}.svc")
}

fn anonymous(address: &str, target: &Target) -> Result<Client, ProbeError> {
    let mut config = Config::new(address.parse().map_err(ProbeError::Address)?);
    let ByteString(bundle) = &target.server.ca_bundle;
    let roots = trust::certificates(bundle);
    if roots.is_empty() {
        return Err(ProbeError::Bundle);
    }
    config.root_cert = Some(roots.into_iter().map(|root| root.to_vec()).collect());
    config.tls_server_name = Some(host(&target.server.service, &target.namespace));
    config.default_retry = false;
    Access::direct(config).client().map_err(ProbeError::Client)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use tokio::net::TcpListener;

    use super::*;

    /// What is said of a server at this address.
    async fn said(address: &str) -> String {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = Config::new(address.parse().expect("an address"));
        let target = Target {
            namespace: "gateways".to_owned(),
            server: ExternalServer {
                service: "gateway".to_owned(),
                port: 443,
                ca_bundle: ByteString::default(),
            },
        };
        let server = Found {
            target,
            client: Client::try_from(config).expect("a client"),
            address: address.to_owned(),
            since: Instant::now(),
        };
        ask(&server).await.expect_err("nobody is there").to_string()
    }

    #[tokio::test]
    async fn an_unreachable_gateway_is_named_with_its_address_and_the_cause() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        drop(listener);
        let refused = said(&address).await;
        let wanted = format!("{address} does not answer: Connection refused (os error 111)");
        assert_eq!(refused, wanted);
    }

    #[test]
    fn a_gateway_that_is_not_ready_is_quoted() {
        let status = Status::failure("managed-clusters: not yet", "ServiceUnavailable");
        let error = kube::Error::Api(Box::new(status));
        assert_eq!(
            ProbeError::of("https://gateway.gateways.svc:443", &error).to_string(),
            "https://gateway.gateways.svc:443 answers that it is not ready: managed-clusters: not yet"
        );
    }
}
