//! What watches cannot tell: whether the gateway's server answers, and what it says of clusters. Reads
//! only.

use std::{collections::BTreeMap, time::Duration};

use crds::{
    cluster_core::{API_VERSION, ClusterGateway},
    gateway::ExternalServer,
};
use http::Request;
use k8s_openapi::{ByteString, api::core::v1::Service};
use kube::{Api, Client, Config, core::ObjectList};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::{
    sync::{mpsc, watch},
    time::{interval, timeout},
};

use crate::observed::GatewaySeen;

const ASK_SERVER_EVERY: Duration = Duration::from_secs(2);
const ASK_CLUSTERS_EVERY: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(5);
/// Answers that wait to be taken in.
pub(crate) const WAITING: usize = 4;

/// The server to be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) server: ExternalServer,
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Answer {
    Server(Result<(), String>),
    Clusters(BTreeMap<String, GatewaySeen>),
}

/// The server gave no good answer.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("its Service is not there")]
    Absent,
    #[error("its Service may not be read: {0}")]
    Forbidden(String),
    #[error("its caBundle holds no certificate")]
    Bundle,
    #[error("its address makes no sense: {0}")]
    Address(http::uri::InvalidUri),
    #[error("it does not answer: {0}")]
    Unready(kube::Error),
}

/// Asks the server whether it is ready, for as long as there is one to ask.
pub(crate) async fn server(
    client: Client,
    targets: watch::Receiver<Option<Target>>,
    answers: mpsc::Sender<Answer>,
) {
    let mut ticks = interval(ASK_SERVER_EVERY);
    let mut asked: Option<(Target, String, Client)> = None;
    loop {
        ticks.tick().await;
        let Some(target) = targets.borrow().clone() else {
            continue;
        };
        // A hub that does not say where the server is says nothing of the server.
        let services: Api<Service> = Api::namespaced(client.clone(), &target.namespace);
        let service = timeout(DEADLINE, services.get_opt(&target.server.service)).await;
        let service = match service {
            Ok(Ok(service)) => service.ok_or(ProbeError::Absent),
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
                Err(ProbeError::Forbidden(status.message))
            }
            _ => continue,
        };
        let known = asked.take().filter(|(known, ..)| *known == target);
        let answer = timeout(DEADLINE, ask(service, target, known)).await;
        let answer = match answer {
            Ok(Ok(used)) => {
                asked = Some(used);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "it does not answer within {} s",
                DEADLINE.as_secs()
            )),
        };
        if answers.send(Answer::Server(answer)).await.is_err() {
            return;
        }
    }
}

async fn ask(
    service: Result<Service, ProbeError>,
    target: Target,
    known: Option<(Target, String, Client)>,
) -> Result<(Target, String, Client), ProbeError> {
    let address = address(&service?, &target);
    let client = match known {
        Some((_, old, client)) if old == address => client,
        _ => anonymous(&address, &target)?,
    };
    let request = Request::get("/readyz").body(Vec::new());
    let request = request.map_err(|error| ProbeError::Unready(kube::Error::HttpError(error)))?;
    client
        .request_text(request)
        .await
        .map_err(ProbeError::Unready)?;
    Ok((target, address, client))
}

/// Where a Service leads, as the hub's API server sees it.
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
    let roots = CertificateDer::pem_slice_iter(bundle).collect::<Result<Vec<_>, _>>();
    let roots = roots.map_err(|_| ProbeError::Bundle)?;
    if roots.is_empty() {
        return Err(ProbeError::Bundle);
    }
    config.root_cert = Some(roots.into_iter().map(|root| root.to_vec()).collect());
    config.tls_server_name = Some(host(&target.server.service, &target.namespace));
    config.default_retry = false;
    Client::try_from(config).map_err(ProbeError::Unready)
}

/// Asks the gateway, through the hub, how clusters are. No answer is no news.
pub(crate) async fn clusters(client: Client, answers: mpsc::Sender<Answer>) {
    let mut ticks = interval(ASK_CLUSTERS_EVERY);
    loop {
        ticks.tick().await;
        let path = format!("/apis/{API_VERSION}/clustergateways");
        let Ok(request) = Request::get(path).body(Vec::new()) else {
            return;
        };
        let asked = timeout(
            DEADLINE,
            client.request::<ObjectList<ClusterGateway>>(request),
        );
        let Ok(Ok(list)) = asked.await else {
            continue;
        };
        let seen = list.items.into_iter().filter_map(|cluster| {
            let status = cluster.status.unwrap_or_default();
            let seen = GatewaySeen {
                is_healthy: status.healthy,
                reason: status.healthy_reason,
            };
            Some((cluster.metadata.name?, seen))
        });
        if answers
            .send(Answer::Clusters(seen.collect()))
            .await
            .is_err()
        {
            return;
        }
    }
}
