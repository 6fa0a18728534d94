//! One request to a managed cluster: what is sent, what is sent again, and how the answer is passed
//! on.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use crds::ClusterName;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use super::{
    again::{Attempts, Next},
    asked::Asked,
    deadlines::{NEXT_PART, end},
    failure::Failure,
    headers::{self, Upgrade},
    redirect, target_uri, unauthorized,
};
use crate::{
    acting::{Acting, Tether},
    audit::Pending,
    authentication::Authenticator,
    body::{Body, UpstreamBody},
    breaker::{Attempt, Breaker, Open, Tripping},
    clusters::{Access, Cluster, Clusters, Credential},
    ending::Ending,
    seats::Seat,
    upstream::{
        Lease, MOST_CONNECTIONS, PoolError, RequestBody, SendError, Upload, Upstream, Wanted,
    },
    verb::Verb,
    way::{Leased, Way},
};

/// On how many connections a request is sent that never leaves. Each of them has closed by then, so
/// these are all that a pool has and one more.
const LEASES: usize = MOST_CONNECTIONS + 1;

/// What all requests to managed clusters share.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) clusters: Arc<Clusters>,
    /// Knows which headers name the caller.
    pub(crate) authenticator: Arc<Authenticator>,
    /// How long a managed cluster may take to begin its answer.
    pub(crate) head_deadline: Duration,
    /// When breakers open; never if there is none.
    pub(crate) tripping: Option<Tripping>,
    /// Holds the upgraded connections.
    pub(crate) tasks: TaskTracker,
    pub(crate) ending: Ending,
}

/// One request on its way through.
pub(super) struct Exchange<'a> {
    pub(super) outbound: &'a Outbound,
    pub(super) name: &'a ClusterName,
    pub(super) cluster: &'a Cluster,
    pub(super) way: Arc<Way>,
    /// That of the cluster's API server. A service has none.
    pub(super) breaker: Option<&'a Breaker>,
    pub(super) credential: Option<Arc<Credential>>,
    pub(super) asked: Asked,
    pub(super) verb: Verb,
    pub(super) begins_late: bool,
    /// The caller's place among the requests in flight.
    pub(super) seat: Arc<Seat>,
    /// The record of the request, which lasts as long as its answer.
    pub(super) pending: Option<Arc<Pending>>,
    /// Ends the answer, if it is long-lived.
    pub(super) tether: Option<Arc<Tether>>,
}

/// An answer that has begun on a pooled connection.
struct Begun {
    response: Response<Incoming>,
    /// Where it comes from.
    upstream: Arc<Upstream>,
    lease: Lease,
}

impl Exchange<'_> {
    /// Sends the request, and again as long as [`Attempts`] says so and its body can be sent again.
    /// An API server that closes a connection in good order turns away all requests that have just
    /// begun there; kube-apiserver does so after each 401, and now and then to spread its load.
    pub(super) async fn run(
        mut self,
        mut request: Request<Incoming>,
        upgrade: Option<Upgrade>,
        acting: &Acting,
    ) -> Result<Response<Body>, Failure> {
        let headers = request.headers_mut();
        self.outbound.authenticator.forget_caller(headers);
        headers::to_spoke(headers)?;
        headers::impersonate(headers, acting);
        let (head, body) = request.into_parts();
        let upload = Upload::new(body);
        let (mut attempts, mut body) = (Attempts::of(&head.method), upload.first());
        loop {
            let request = Request::from_parts(head.clone(), body);
            let sent = self.once(request, &upload, upgrade.clone(), attempts.wanted());
            let answered = sent.await;
            let Err(failure) = answered else {
                upload.settle();
                return answered;
            };
            let Some((next, again)) = attempts.next(&failure).zip(upload.again()) else {
                return Err(failure);
            };
            body = again;
            match next {
                Next::After(pause) => sleep(pause).await,
                Next::WithNewerToken => {
                    let newer = self.successor().await.ok_or(failure)?;
                    (self.way, self.credential) = (newer.way, newer.credential);
                }
            }
        }
    }

    /// The access with a newer token, if the credential is a token.
    async fn successor(&self) -> Option<Access> {
        let rejected = self.credential.as_ref()?;
        let clusters = &self.outbound.clusters;
        clusters.successor(self.name, rejected).await
    }

    async fn once(
        &self,
        mut request: Request<RequestBody>,
        upload: &Upload,
        upgrade: Option<Upgrade>,
        wanted: Wanted,
    ) -> Result<Response<Body>, Failure> {
        if let Some(credential) = &self.credential {
            let authorization = credential.authorization.clone();
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        if let Some(upgrade) = upgrade {
            return self.upgrade(request, upgrade).await;
        }
        let sent = self.send(request, wanted);
        let begun = if self.begins_late {
            sent.await?
        } else {
            self.in_time(sent, upload).await?
        };
        let lease = Some(begun.lease);
        self.answer(begun.response, &begun.upstream, lease).await
    }

    /// Waits until an answer begins, or somebody is late.
    async fn in_time(
        &self,
        sent: impl Future<Output = Result<Begun, Failure>>,
        upload: &Upload,
    ) -> Result<Begun, Failure> {
        let (began, head) = (Instant::now(), self.outbound.head_deadline);
        let mut sent = pin!(sent);
        let mut look = began + head;
        if upload.progress().is_some() {
            look = look.min(began + NEXT_PART);
        }
        loop {
            if let Ok(begun) = timeout_at(look, &mut sent).await {
                return begun;
            }
            let (end, late) = end(upload.progress(), began, head);
            if end <= look {
                return Err(late.failure(head));
            }
            // A caller may come to be late before that.
            look = end.min(look + NEXT_PART);
        }
    }

    /// Sends on a pooled connection, and on another one if that one closed before taking the request.
    async fn send(
        &self,
        mut request: Request<RequestBody>,
        mut wanted: Wanted,
    ) -> Result<Begun, Failure> {
        for _ in 0..LEASES {
            let Leased { upstream, pooled } = self.lease(wanted).await?;
            let uri = self.asked.of(&upstream)?;
            if pooled.is_http1() {
                target_uri::to_http1(&mut request, &uri);
            } else {
                target_uri::to_http2(&mut request, &uri);
            }
            match pooled.send(request).await {
                Ok((response, lease)) => {
                    return Ok(Begun {
                        response,
                        upstream,
                        lease,
                    });
                }
                Err(SendError::Unsent(unsent)) => (request, wanted) = (*unsent, Wanted::New),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Unsent)
    }

    /// A place on a pooled connection, unless the cluster is left alone for a moment.
    async fn lease(&self, wanted: Wanted) -> Result<Leased, Failure> {
        let attempt = self.attempt()?;
        let leased = self.way.lease(wanted).await;
        match (&leased, attempt) {
            (Ok(_), Some(attempt)) => attempt.worked(),
            (Err(PoolError::Connect { error, .. }), Some(attempt)) => attempt.failed(error),
            _ => {}
        }
        Ok(leased?)
    }

    /// An attempt to connect that the breaker counts, if there is one.
    pub(super) fn attempt(&self) -> Result<Option<Attempt<'_>>, Open> {
        let armed = self.breaker.zip(self.outbound.tripping);
        armed
            .map(|(breaker, tripping)| breaker.attempt(tripping, || self.way.looks_well()))
            .transpose()
    }

    /// Passes on the managed cluster's answer, unless it rejects the gateway's own credential.
    pub(super) async fn answer(
        &self,
        response: Response<Incoming>,
        upstream: &Upstream,
        lease: Option<Lease>,
    ) -> Result<Response<Body>, Failure> {
        let (mut head, body) = response.into_parts();
        headers::to_caller(&mut head.headers);
        let bytes = self.cluster.metrics.response_bytes.clone();
        let mut body = UpstreamBody::new(body, lease, bytes);
        body.occupies(Arc::clone(&self.seat));
        if let Some(pending) = &self.pending {
            body.is_recorded(Arc::clone(pending));
        }
        if self.verb == Verb::Watch {
            body.is_a_watch(&self.outbound.ending.last_call);
        }
        if self.verb != Verb::Watch && !self.begins_late {
            body.must_flow();
        }
        if let Some(tether) = &self.tether {
            body.hangs_on(Arc::clone(tether));
        }
        if let Some(page) = redirect::answer(&mut head, &self.asked, &upstream.target, self.name) {
            return Ok(Response::from_parts(head, Body::Full(page)));
        }
        let body = body.begun().map_err(Failure::Broken)?;
        let ours = self.credential.is_some() || upstream.target.has_identity();
        if head.status != StatusCode::UNAUTHORIZED || !ours {
            if !body.is_end_stream() {
                self.seat.answered();
            }
            return Ok(Response::from_parts(head, Body::Upstream(body)));
        }
        let body = Body::Upstream(body);
        let body = unauthorized::not_of_the_api_server(&head, body, self.nested())
            .await
            .ok_or(Failure::CredentialRejected)?;
        Ok(Response::from_parts(head, body))
    }

    /// The answer may come from a service behind the managed cluster's own proxy.
    fn nested(&self) -> bool {
        self.begins_late
    }
}
