//! The proxy subresource: one request in, one request out to the managed cluster, and its answer
//! streamed back. Decides with the pure functions of the modules below; waits only for the managed
//! cluster.

mod failure;
mod headers;
pub(crate) mod request_info;
mod splice;
mod target_uri;
mod unauthorized;
mod upgrade;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crds::{ClusterName, ServiceAddress};
use http::{Request, Response, StatusCode, Version, header::AUTHORIZATION};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use self::{
    failure::Failure,
    headers::Upgrade,
    request_info::{RequestInfo, Verb},
};
use crate::{
    body::{Body, UpstreamBody},
    clusters::{Cluster, Clusters},
    metrics::Counted,
    status::Refusal,
    upstream::{Lease, SendError, Upstream},
};

/// How often a request that never left is sent again on another connection.
const ATTEMPTS: usize = 2;

/// Forwards requests to managed clusters.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) clusters: Arc<Clusters>,
    /// How long a managed cluster may take to begin its answer.
    pub(crate) head_deadline: Duration,
    /// Services of managed clusters that may be reached besides their API servers.
    pub(crate) exposed: BTreeSet<ServiceAddress>,
    /// Holds the upgraded connections.
    pub(crate) tasks: TaskTracker,
    /// Ends the upgraded connections.
    pub(crate) cut: CancellationToken,
}

impl Proxy {
    /// Forwards one request whose path ends in `tail_length` bytes that are meant for the managed
    /// cluster's API server, or for a service of the cluster.
    pub(crate) async fn forward(
        &self,
        request: Request<Incoming>,
        name: &ClusterName,
        service: Option<&ServiceAddress>,
        tail_length: usize,
    ) -> Response<Body> {
        let Some(cluster) = self.clusters.find(name) else {
            return Refusal::unknown_cluster(name).into_response();
        };
        let started = Instant::now();
        let _waiting = Counted::new(cluster.metrics.waiting.clone());
        let (verb, begins_late) = if service.is_some() {
            (Verb::of_method(request.method()), true)
        } else {
            let path = tail(&request, tail_length);
            let info = RequestInfo::read(request.method(), path, request.uri().query());
            (info.verb, info.begins_late())
        };
        let answer = async {
            let upstream = self.upstream(&cluster, service)?;
            let (tail, query) = (tail(&request, tail_length), request.uri().query());
            let uri = target_uri::of(&upstream.target, tail, query);
            let exchange = Exchange {
                proxy: self,
                cluster: &cluster,
                upstream: &upstream,
                uri,
                verb,
                begins_late,
            };
            exchange.run(request).await
        };
        let response = answer.await.unwrap_or_else(|failure| {
            let refusal = failure.refusal(name);
            log(name, &refusal);
            refusal.into_response()
        });
        cluster
            .metrics
            .answered(verb, response.status(), started.elapsed().as_secs_f64());
        response
    }
}

impl Proxy {
    fn upstream(
        &self,
        cluster: &Cluster,
        service: Option<&ServiceAddress>,
    ) -> Result<Arc<Upstream>, Failure> {
        let Some(service) = service else {
            return cluster.way.clone().map_err(Failure::Unusable);
        };
        if !self.exposed.contains(service) {
            return Err(Failure::NotExposed(service.clone()));
        }
        cluster
            .service(service)
            .ok_or_else(|| Failure::NoTunnel(service.clone()))
    }
}

/// One request on its way through.
struct Exchange<'a> {
    proxy: &'a Proxy,
    cluster: &'a Cluster,
    upstream: &'a Upstream,
    uri: http::Uri,
    verb: Verb,
    begins_late: bool,
}

impl Exchange<'_> {
    async fn run(self, mut request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let upgrade =
            Upgrade::requested(request.headers()).filter(|_| request.version() == Version::HTTP_11);
        headers::to_spoke(request.headers_mut())?;
        if let Some(authorization) = &self.upstream.target.authorization {
            request
                .headers_mut()
                .insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(upgrade) = upgrade {
            return self.upgrade(request, upgrade).await;
        }
        let (response, lease) = if self.begins_late {
            self.send(request).await?
        } else {
            let deadline = self.proxy.head_deadline;
            timeout(deadline, self.send(request))
                .await
                .map_err(|_| Failure::Deadline(deadline))??
        };
        self.answer(response, Some(lease)).await
    }

    /// Sends on a pooled connection, and once more if that one closed before taking the request.
    async fn send(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        for _ in 0..ATTEMPTS {
            let pooled = self.upstream.lease().await?;
            if pooled.is_http1() {
                target_uri::to_http1(&mut request, &self.uri);
            } else {
                target_uri::to_http2(&mut request, &self.uri);
            }
            match pooled.send(request).await {
                Ok(answered) => return Ok(answered),
                Err(SendError::Unsent(unsent)) => request = *unsent,
                Err(SendError::Broken(error)) => return Err(Failure::Broken(error)),
            }
        }
        Err(Failure::Unsent)
    }

    /// Makes the managed cluster's answer ours, except for one that rejects our own credential.
    async fn answer(
        &self,
        response: Response<Incoming>,
        lease: Option<Lease>,
    ) -> Result<Response<Body>, Failure> {
        let (mut head, body) = response.into_parts();
        headers::to_caller(&mut head.headers);
        let bytes = self.cluster.metrics.response_bytes.clone();
        let mut body = UpstreamBody::new(body, lease, bytes);
        if self.verb == Verb::Watch {
            body.ends_when_broken();
        }
        let body = Body::Upstream(body);
        if head.status != StatusCode::UNAUTHORIZED || !self.upstream.target.has_credential() {
            return Ok(Response::from_parts(head, body));
        }
        let body = unauthorized::not_of_the_api_server(&head, body, self.nested()).await;
        let body = body.ok_or(Failure::CredentialRejected)?;
        Ok(Response::from_parts(head, body))
    }

    /// The answer may come from a service behind the managed cluster's own proxy.
    fn nested(&self) -> bool {
        self.begins_late
    }
}

fn tail(request: &Request<Incoming>, length: usize) -> &str {
    let path = request.uri().path();
    &path[path.len() - length..]
}

fn log(cluster: &ClusterName, refusal: &Refusal) {
    let (code, message) = (refusal.code().as_u16(), refusal.message());
    if refusal.code().is_server_error() {
        warn!(%cluster, code, "{message}");
    } else {
        debug!(%cluster, code, "{message}");
    }
}
