//! The proxy subresource: one request in, one request out to the managed cluster, and its answer
//! streamed back. Decides with the pure functions of the modules below; waits only for the managed
//! cluster.

mod again;
mod asked;
mod deadlines;
mod exchange;
mod failure;
mod headers;
mod redirect;
mod splice;
pub(crate) mod target_uri;
mod unauthorized;
mod upgrade;

use std::{collections::BTreeSet, sync::Arc};

use crds::{ClusterName, ServiceAddress};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use tokio::{select, time::Instant};
use tracing::{debug, info, warn};

pub(crate) use self::exchange::Outbound;
use self::{
    asked::{Asked, Follower},
    exchange::Exchange,
    failure::Failure,
    headers::Upgrade,
};
use crate::{
    acting::{Acting, cut_of},
    audit::Pending,
    authentication::User,
    authorization::Question,
    body::Body,
    clusters::{Access, Cluster},
    destination::Destination,
    grants::{Admitted, Denied, Grants},
    metrics::{
        Counted, IdentityLabels, IdentityRefusalLabels, LimitLabels, Metrics, Outcome, Resource,
    },
    request_info::{RequestInfo, decoded},
    seats::{Full, Hall, Need, Seat},
    status::Refusal,
    verb::Verb,
};

/// Forwards requests to managed clusters.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) outbound: Outbound,
    /// Decide which identity callers act as; without them, all act as the gateway's account.
    pub(crate) grants: Option<Arc<Grants>>,
    pub(crate) metrics: Metrics,
    /// What counts for the requests to all managed clusters together.
    pub(crate) hall: Arc<Hall>,
    /// Services of managed clusters that may be reached besides their API servers.
    pub(crate) exposed: BTreeSet<ServiceAddress>,
}

/// The caller and the destination of a request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Who asks, and what the hub allowed.
    pub(crate) question: &'a Arc<Question>,
    pub(crate) to: Destination,
    /// Its record, if it has one.
    pub(crate) pending: Option<Arc<Pending>>,
}

/// What a request asks for inside.
struct Reading {
    verb: Verb,
    resource: Resource,
    begins_late: bool,
}

impl Reading {
    fn of(request: &Request<Incoming>, call: &Call<'_>) -> Self {
        if call.to.service.is_some() {
            return Self {
                verb: Verb::of_method(request.method()),
                resource: Resource::OTHER,
                begins_late: true,
            };
        }
        let path = decoded(call.to.tail(request.uri().path()));
        let info = RequestInfo::read(request.method(), &path, request.uri().query());
        Self {
            verb: info.verb,
            resource: Resource::of(info.resource),
            begins_late: info.begins_late(),
        }
    }
}

impl Proxy {
    /// Forwards one request.
    pub(crate) async fn forward(
        &self,
        request: Request<Incoming>,
        call: Call<'_>,
    ) -> Response<Body> {
        let (name, service) = (&call.to.cluster, call.to.service.as_ref());
        let cluster = match self.outbound.clusters.find(name) {
            Ok(cluster) => cluster,
            Err(absent) => return absent.refusal(name).into_response().map(Body::from),
        };
        let started = Instant::now();
        let _waiting = Counted::new(cluster.metrics.waiting.clone());
        let Reading {
            verb,
            resource,
            begins_late,
        } = Reading::of(&request, &call);
        let upgrade = upgrade_of(&request);
        let lasts = verb == Verb::Watch || begins_late || upgrade.is_some();
        let answer = async {
            let need = need(lasts, upgrade.is_some() || service.is_some());
            let (admitted, seat) = self.begin(&call, &cluster, lasts, need).await?;
            let Admitted { acting, tether } = admitted;
            if let Some(pending) = &call.pending {
                pending.acts_as(&acting);
            }
            let Access { way, credential } = self.access(&cluster, service)?;
            let exchange = Exchange {
                outbound: &self.outbound,
                name,
                cluster: &cluster,
                way,
                breaker: service.is_none().then_some(&*cluster.breaker),
                credential,
                asked: Asked {
                    uri: request.uri().clone(),
                    tail_length: call.to.tail_length,
                    follower: Follower::of(request.method(), request.headers()),
                },
                verb,
                begins_late,
                seat,
                pending: call.pending.clone(),
                tether: tether.clone(),
            };
            select! {
                answered = exchange.run(request, upgrade, &acting) => answered,
                () = cut_of(tether.as_deref()) => Err(Failure::Revoked),
            }
        };
        let response = told(name, &cluster, answer.await);
        let (code, took) = (response.status(), started.elapsed());
        cluster
            .metrics
            .answered(Outcome::new(resource, verb, code), took);
        debug!(cluster = %name, verb = verb.name(), code = code.as_u16(), ?took, "answered");
        response
    }
}

impl Proxy {
    /// The identity that the caller acts as, and its place, which it may have to wait for.
    async fn begin(
        &self,
        call: &Call<'_>,
        cluster: &Cluster,
        lasts: bool,
        need: Need,
    ) -> Result<(Admitted, Arc<Seat>), Failure> {
        let admit = || self.admit(call, cluster, lasts);
        let admitted = self.counted(admit())?;
        let seat = self.seat(&call.question.user, cluster, need).await?;
        if !seat.has_waited() {
            return Ok((admitted, seat));
        }
        // A grant may have ended meanwhile.
        Ok((self.refused(admit())?, seat))
    }

    /// The identity that the caller acts as. A service of the cluster is not told.
    fn admit(&self, call: &Call<'_>, cluster: &Cluster, lasts: bool) -> Result<Admitted, Denied> {
        let streams = lasts.then_some(&*cluster.streams);
        let tie = |acting| streams.map(|it| it.tie(Arc::clone(call.question), acting));
        match &self.grants {
            Some(grants) if call.to.service.is_none() => {
                grants.admit(call.question, &call.to.cluster, streams)
            }
            Some(_) => Ok(Admitted {
                acting: Acting::Account,
                tether: tie(None),
            }),
            None => Ok(Admitted {
                acting: Acting::Account,
                tether: tie(Some(Acting::Account)),
            }),
        }
    }

    /// Counts the identity of a request, or that it has none.
    fn counted(&self, admitted: Result<Admitted, Denied>) -> Result<Admitted, Denied> {
        if let Ok(Admitted { acting, .. }) = &admitted {
            let identity = acting.kind();
            let labels = IdentityLabels { identity };
            self.metrics.identities.get_or_create(&labels).inc();
        }
        self.refused(admitted)
    }

    /// Counts that a request has no identity, if that is so.
    fn refused(&self, admitted: Result<Admitted, Denied>) -> Result<Admitted, Denied> {
        if let Err(denied) = &admitted {
            let reason = denied.reason();
            let labels = IdentityRefusalLabels { reason };
            self.metrics.identity_refusals.get_or_create(&labels).inc();
        }
        admitted
    }

    /// A place among the requests in flight at the cluster.
    async fn seat(&self, caller: &User, cluster: &Cluster, need: Need) -> Result<Arc<Seat>, Full> {
        let seats = &cluster.seats;
        let seat = seats.take_soon(&caller.name, need, &self.hall).await;
        if let Err(full) = &seat {
            let limit = full.limit();
            let labels = LimitLabels { limit };
            self.metrics.limited.get_or_create(&labels).inc();
        }
        seat.map(Arc::new)
    }

    /// How to reach the destination. For a service of the cluster, no credential is sent.
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

/// The answer of the cluster, or the reason why there is none. The log tells when that changes.
fn told(
    name: &ClusterName,
    cluster: &Cluster,
    answered: Result<Response<Body>, Failure>,
) -> Response<Body> {
    match answered {
        Ok(response) => {
            tell_of_end(name, cluster);
            response
        }
        Err(failure) => {
            let refusal = failure.refusal(name);
            tell(name, cluster, &refusal);
            refusal.into_response().map(Body::from)
        }
    }
}

/// The upgrade that a request asks for, over the one protocol that has any.
fn upgrade_of(request: &Request<Incoming>) -> Option<Upgrade> {
    Upgrade::requested(request.headers()).filter(|_| request.version() == Version::HTTP_11)
}

fn need(lasts: bool, alone: bool) -> Need {
    match (alone, lasts) {
        (true, _) => Need::Connection,
        (false, true) => Need::Long,
        (false, false) => Need::Short,
    }
}

/// Logs a refusal, at a level that is shown only if it tells something new of the cluster.
fn tell(name: &ClusterName, cluster: &Cluster, refusal: &Refusal) {
    let (code, message) = (refusal.code().as_u16(), refusal.message());
    if refusal.code().is_server_error() && cluster.trouble.refused(refusal.phase()) {
        warn!(cluster = %name, code, "requests are refused: {message}");
    } else {
        debug!(cluster = %name, code, "{message}");
    }
}

/// Logs that a trouble is over, if there was one.
fn tell_of_end(name: &ClusterName, cluster: &Cluster) {
    if let Some(over) = cluster.trouble.answered() {
        let seconds = over.lasted.as_secs();
        let requests = over.requests;
        info!(cluster = %name, seconds, requests, "requests are answered again");
    }
}

#[cfg(test)]
pub(crate) mod tests;
