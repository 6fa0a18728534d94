//! The proxy subresource: one request in, one request out to the managed cluster, and its answer
//! streamed back. Decides with the pure functions of the modules below; waits only for the managed
//! cluster.

mod failure;
mod headers;
mod request_info;
mod splice;
mod target_uri;
mod unauthorized;
mod upgrade;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crds::{ClusterName, ServiceAddress};
use http::{Method, Request, Response, StatusCode, Uri, Version, header::AUTHORIZATION};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::{
    select,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use self::{failure::Failure, headers::Upgrade, request_info::RequestInfo};
use crate::{
    acting::{Acting, Tether, cut_of},
    authentication::{Authenticator, User},
    body::{Body, UpstreamBody},
    clusters::{Access, Cluster, Clusters, Credential},
    grants::{Admitted, Denied, Grants},
    metrics::{Counted, IdentityLabels, IdentityRefusalLabels, Metrics},
    status::Refusal,
    upstream::{Lease, RequestBody, SendError, Upstream},
    verb::Verb,
    way::Way,
};

/// How often a request that never left is sent again on another connection.
const ATTEMPTS: usize = 2;

/// Forwards requests to managed clusters.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) clusters: Arc<Clusters>,
    /// Knows which headers name the caller.
    pub(crate) authenticator: Arc<Authenticator>,
    /// As whom callers act; without them all act as the gateway's account.
    pub(crate) grants: Option<Arc<Grants>>,
    pub(crate) metrics: Metrics,
    /// How long a managed cluster may take to begin its answer.
    pub(crate) head_deadline: Duration,
    /// Services of managed clusters that may be reached besides their API servers.
    pub(crate) exposed: BTreeSet<ServiceAddress>,
    /// Holds the upgraded connections.
    pub(crate) tasks: TaskTracker,
    /// Ends the upgraded connections.
    pub(crate) cut: CancellationToken,
}

/// For whom a request goes where.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a User,
    pub(crate) cluster: ClusterName,
    /// The service of the cluster that is meant, if it is not the API server.
    pub(crate) service: Option<ServiceAddress>,
    /// How many bytes at the end of the path are meant for it.
    pub(crate) tail_length: usize,
}

impl Proxy {
    /// Forwards one request.
    pub(crate) async fn forward(
        &self,
        request: Request<Incoming>,
        call: Call<'_>,
    ) -> Response<Body> {
        let (name, service) = (&call.cluster, call.service.as_ref());
        let cluster = match self.clusters.find(name) {
            Ok(cluster) => cluster,
            Err(absent) => return absent.refusal(name).into_response().map(Body::from),
        };
        let started = Instant::now();
        let _waiting = Counted::new(cluster.metrics.waiting.clone());
        let (verb, begins_late) = if service.is_some() {
            (Verb::of_method(request.method()), true)
        } else {
            let path = tail(&request, call.tail_length);
            let info = RequestInfo::read(request.method(), path, request.uri().query());
            (info.verb, info.begins_late())
        };
        let upgrade = upgrade_of(&request);
        let lasts = verb == Verb::Watch || begins_late || upgrade.is_some();
        let answer = async {
            let Admitted { acting, tether } = self.admit(&call, &cluster, lasts)?;
            let Access { way, credential } = self.access(&cluster, service)?;
            let exchange = Exchange {
                proxy: self,
                name,
                cluster: &cluster,
                way,
                credential,
                asked: Asked {
                    uri: request.uri().clone(),
                    tail_length: call.tail_length,
                },
                verb,
                begins_late,
                tether: tether.clone(),
            };
            select! {
                answered = exchange.run(request, upgrade, &acting) => answered,
                () = cut_of(tether.as_deref()) => Err(Failure::Revoked),
            }
        };
        let response = answer.await.unwrap_or_else(|failure| {
            let refusal = failure.refusal(name);
            log(name, &refusal);
            refusal.into_response().map(Body::from)
        });
        cluster
            .metrics
            .answered(verb, response.status(), started.elapsed().as_secs_f64());
        response
    }
}

impl Proxy {
    /// As whom the caller acts; a service of the cluster is not told.
    fn admit(&self, call: &Call<'_>, cluster: &Cluster, lasts: bool) -> Result<Admitted, Denied> {
        let grants = self.grants.as_ref().filter(|_| call.service.is_none());
        let admitted = match grants {
            Some(grants) => {
                let streams = lasts.then_some(&*cluster.streams);
                grants.admit(call.caller, &call.cluster, streams)
            }
            None => Ok(Admitted {
                acting: Acting::Account,
                tether: None,
            }),
        };
        match &admitted {
            Ok(Admitted { acting, .. }) => {
                let identity = acting.kind();
                let labels = IdentityLabels { identity };
                self.metrics.identities.get_or_create(&labels).inc();
            }
            Err(denied) => {
                let reason = denied.reason();
                let labels = IdentityRefusalLabels { reason };
                self.metrics.identity_refusals.get_or_create(&labels).inc();
            }
        }
        admitted
    }

    /// What a request takes; to a service of the cluster it takes no credential.
    fn access(
        &self,
        cluster: &Cluster,
        service: Option<&ServiceAddress>,
    ) -> Result<Access, Failure> {
        let access = || cluster.access.clone().map_err(Failure::Unusable);
        let Some(service) = service else {
            return access();
        };
        if !self.exposed.contains(service) {
            return Err(Failure::NotExposed(service.clone()));
        }
        let way = access().ok().and_then(|access| access.way.service(service));
        Ok(Access {
            way: way.ok_or_else(|| Failure::NoTunnel(service.clone()))?,
            credential: None,
        })
    }
}

/// One request on its way through.
struct Exchange<'a> {
    proxy: &'a Proxy,
    name: &'a ClusterName,
    cluster: &'a Cluster,
    way: Arc<Way>,
    credential: Option<Arc<Credential>>,
    asked: Asked,
    verb: Verb,
    begins_late: bool,
    /// What the answer hangs on, where it lasts.
    tether: Option<Arc<Tether>>,
}

/// What the caller asked for: the tail of this path, and its query.
struct Asked {
    uri: Uri,
    tail_length: usize,
}

impl Asked {
    fn of(&self, upstream: &Upstream) -> Uri {
        let path = self.uri.path();
        let tail = &path[path.len() - self.tail_length..];
        target_uri::of(&upstream.target, tail, self.uri.query())
    }
}

impl Exchange<'_> {
    /// Sends the request, and once more with a newer token where the managed cluster rejected the
    /// one it was sent with. It is also sent again where the connection was closed in an orderly way
    /// before it was taken: kube-apiserver closes each connection on which it answered 401, and with
    /// it what others had just begun there. What has a body is sent once: it is not kept.
    async fn run(
        mut self,
        mut request: Request<Incoming>,
        upgrade: Option<Upgrade>,
        acting: &Acting,
    ) -> Result<Response<Body>, Failure> {
        let headers = request.headers_mut();
        self.proxy.authenticator.forget_caller(headers);
        headers::to_spoke(headers)?;
        headers::impersonate(headers, acting);
        let repeatable = matches!(*request.method(), Method::GET | Method::HEAD)
            && request.body().is_end_stream();
        let credential = self.credential.clone().filter(|_| repeatable);
        let Some(credential) = credential else {
            return self.once(request.map(RequestBody::Caller), upgrade).await;
        };
        let (head, _) = request.into_parts();
        let request = |head| Request::from_parts(head, RequestBody::Empty);
        let (mut renewed, mut closed) = (false, 0);
        loop {
            match self.once(request(head.clone()), upgrade.clone()).await {
                Err(Failure::CredentialRejected) if !renewed => {
                    let newer = self.proxy.clusters.successor(self.name, &credential).await;
                    let newer = newer.ok_or(Failure::CredentialRejected)?;
                    (self.way, self.credential) = (newer.way, newer.credential);
                    renewed = true;
                }
                Err(Failure::Broken(error)) if closed < ATTEMPTS && is_goodbye(&error) => {
                    closed += 1;
                }
                answered => return answered,
            }
        }
    }

    async fn once(
        &self,
        mut request: Request<RequestBody>,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<Body>, Failure> {
        if let Some(credential) = &self.credential {
            let authorization = credential.authorization.clone();
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        if let Some(upgrade) = upgrade {
            return self.upgrade(request, upgrade).await;
        }
        let (response, upstream, lease) = if self.begins_late {
            self.send(request).await?
        } else {
            let deadline = self.proxy.head_deadline;
            timeout(deadline, self.send(request))
                .await
                .map_err(|_| Failure::Deadline(deadline))??
        };
        self.answer(response, &upstream, Some(lease)).await
    }

    /// Sends on a pooled connection, and once more if that one closed before taking the request.
    async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Arc<Upstream>, Lease), Failure> {
        for _ in 0..ATTEMPTS {
            let (upstream, pooled) = self.way.lease().await?;
            let uri = self.asked.of(&upstream);
            if pooled.is_http1() {
                target_uri::to_http1(&mut request, &uri);
            } else {
                target_uri::to_http2(&mut request, &uri);
            }
            match pooled.send(request).await {
                Ok((response, lease)) => return Ok((response, upstream, lease)),
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
        upstream: &Upstream,
        lease: Option<Lease>,
    ) -> Result<Response<Body>, Failure> {
        let (mut head, body) = response.into_parts();
        headers::to_caller(&mut head.headers);
        let bytes = self.cluster.metrics.response_bytes.clone();
        let mut body = UpstreamBody::new(body, lease, bytes);
        if self.verb == Verb::Watch {
            body.ends_when_broken();
        }
        if let Some(tether) = &self.tether {
            body.hangs_on(Arc::clone(tether));
        }
        let body = Body::Upstream(body.begun().map_err(Failure::Broken)?);
        let ours = self.credential.is_some() || upstream.target.has_identity();
        if head.status != StatusCode::UNAUTHORIZED || !ours {
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

/// The other end closed the connection without an error (GOAWAY, RFC 9113 §6.8) and had not taken
/// the request by then.
fn is_goodbye(error: &hyper::Error) -> bool {
    let http2 = std::error::Error::source(error).and_then(|it| it.downcast_ref::<h2::Error>());
    http2.is_some_and(|it| it.is_go_away() && it.reason() == Some(h2::Reason::NO_ERROR))
}

/// The upgrade that a request asks for, over the one protocol that has any.
fn upgrade_of(request: &Request<Incoming>) -> Option<Upgrade> {
    Upgrade::requested(request.headers()).filter(|_| request.version() == Version::HTTP_11)
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

#[cfg(test)]
mod tests;
