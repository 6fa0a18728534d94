//! All places at which one managed cluster's API server can be reached. Which one a request takes
//! is decided when it needs a connection: through the tunnel while an agent is attached, else at
//! the addresses, the last good one first. A place that cannot be connected to hands over to the
//! next before anything of the request has left. A tunnel that failed is tried again beside the
//! requests, which use the addresses until it works.

mod track_record;

use std::{collections::BTreeMap, sync::Arc};

use crds::ServiceAddress;
use hyper::client::conn::http1;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::track_record::{TrackRecord, order};
use crate::upstream::{
    ConnectError, Dialer, PoolError, Pooled, RequestBody, Target, TlsConfigError, Upstream, Wanted,
};

/// The places of a managed cluster's API server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Places {
    /// Through its tunnel, if tunnels may be used.
    pub(crate) tunnel: Option<Target>,
    /// At its addresses, in the order of preference.
    pub(crate) direct: Vec<Target>,
}

/// The places of one managed cluster with their connections.
#[derive(Debug)]
pub(crate) struct Way {
    places: Places,
    tunnel: Option<Arc<Place>>,
    direct: Vec<Arc<Place>>,
    shared: Arc<Shared>,
}

/// A place for one request on a pooled connection.
#[derive(Debug)]
pub(crate) struct Leased {
    /// Where the connection leads.
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) pooled: Pooled,
}

/// A connection for one request that wants to upgrade.
#[derive(Debug)]
pub(crate) struct Upgradable {
    /// Where the connection leads.
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) sender: http1::SendRequest<RequestBody>,
}

/// A place with its track record.
#[derive(Debug)]
struct Place {
    upstream: Arc<Upstream>,
    record: Mutex<TrackRecord>,
}

/// What stays the same when places change.
#[derive(Debug)]
struct Shared {
    tasks: TaskTracker,
    /// The managed cluster is gone.
    gone: CancellationToken,
    /// The ways to its exposed services, made when first asked for.
    services: Mutex<BTreeMap<ServiceAddress, Arc<Way>>>,
}

impl Way {
    /// Prepares the way to a cluster that could not be reached before. `places` has at least one.
    /// All connections end with `gone`.
    pub(crate) fn new(
        places: Places,
        tasks: TaskTracker,
        gone: CancellationToken,
    ) -> Result<Self, TlsConfigError> {
        let shared = Shared {
            tasks,
            gone,
            services: Mutex::default(),
        };
        Self::build(places, None, Arc::new(shared))
    }

    /// The way after its places changed; those that stay keep their connections.
    pub(crate) fn moved(self: &Arc<Self>, places: Places) -> Result<Arc<Self>, TlsConfigError> {
        if self.places == places {
            return Ok(Arc::clone(self));
        }
        Self::build(places, Some(self), Arc::clone(&self.shared)).map(Arc::new)
    }

    /// One address that cannot be used does not spoil the others.
    fn build(
        places: Places,
        old: Option<&Self>,
        shared: Arc<Shared>,
    ) -> Result<Self, TlsConfigError> {
        let known = old
            .iter()
            .flat_map(|old| old.direct.iter().chain(&old.tunnel));
        let place = |target: &Target| {
            let mut known = known.clone();
            match known.find(|known| known.upstream.target == *target) {
                Some(kept) => Ok(Arc::clone(kept)),
                None => Place::new(target, &shared).map(Arc::new),
            }
        };
        let tunnel = places.tunnel.as_ref().map(place).transpose()?;
        let (mut direct, mut fault) = (Vec::new(), None);
        for target in &places.direct {
            match place(target) {
                Ok(place) => direct.push(place),
                Err(error) => fault = Some(error),
            }
        }
        match fault {
            Some(fault) if tunnel.is_none() && direct.is_empty() => Err(fault),
            _ => Ok(Self {
                places,
                tunnel,
                direct,
                shared,
            }),
        }
    }

    /// The way to a service of the cluster, through its tunnel; `None` if it has no tunnel. The
    /// caller has checked that the service is exposed, which bounds how many there are.
    pub(crate) fn service(&self, service: &ServiceAddress) -> Option<Arc<Self>> {
        let Dialer::Tunnel(tunnel) = &self.tunnel.as_ref()?.upstream.target.dialer else {
            return None;
        };
        let mut services = self.shared.services.lock();
        if let Some(known) = services.get(service) {
            return Some(Arc::clone(known));
        }
        let authority = format!("{}:{}", service.host(), service.port());
        let target = Target {
            authority: authority
                .parse()
                .expect("labels and a port are an authority"),
            base_path: String::new(),
            dialer: Dialer::Tunnel(tunnel.service(service)),
            tls: None,
        };
        let places = Places {
            tunnel: Some(target),
            direct: Vec::new(),
        };
        let shared = Shared {
            tasks: self.shared.tasks.clone(),
            gone: self.shared.gone.clone(),
            services: Mutex::default(),
        };
        let built = Self::build(places, None, Arc::new(shared));
        let way = Arc::new(built.expect("no TLS, so no fault in it"));
        services.insert(service.clone(), Arc::clone(&way));
        Some(way)
    }

    /// A place for one request on a pooled connection.
    pub(crate) async fn lease(&self, wanted: Wanted) -> Result<Leased, PoolError> {
        let mut first = None;
        for place in self.order_now() {
            match place.upstream.lease(wanted).await {
                Ok(pooled) => {
                    self.worked(place);
                    let upstream = Arc::clone(&place.upstream);
                    return Ok(Leased { upstream, pooled });
                }
                Err(PoolError::Connect { error, since }) => {
                    place.failed(&error, Instant::now());
                    first.get_or_insert(PoolError::Connect { error, since });
                }
                Err(error) => return Err(error),
            }
        }
        Err(first.expect("there is at least one place"))
    }

    /// A separate HTTP/1.1 connection for a request that wants to upgrade.
    pub(crate) async fn upgradable(&self) -> Result<Upgradable, Arc<ConnectError>> {
        let mut first = None;
        for place in self.order_now() {
            match place.upstream.upgradable().await {
                Ok(sender) => {
                    self.worked(place);
                    let upstream = Arc::clone(&place.upstream);
                    return Ok(Upgradable { upstream, sender });
                }
                Err(error) => {
                    place.failed(&error, Instant::now());
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.expect("there is at least one place"))
    }

    /// The place that a request would go to now.
    pub(crate) fn current(&self) -> Arc<Upstream> {
        let order = self.order(Instant::now());
        Arc::clone(&order[0].upstream)
    }

    /// Whether something speaks for the place that a request would go to now: it has not failed, or a
    /// connection is open.
    pub(crate) fn looks_well(&self) -> bool {
        let order = self.order(Instant::now());
        !order[0].record.lock().has_failed() || order[0].upstream.sighting().is_open
    }

    /// Which of the addresses a target is.
    pub(crate) fn position(&self, target: &Target) -> Option<usize> {
        self.places.direct.iter().position(|it| it == target)
    }

    /// Ends with the managed cluster.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.shared.gone
    }

    /// The order for a request. If it passes over the tunnel, the tunnel may be tried again beside it.
    fn order_now(&self) -> Vec<&Arc<Place>> {
        let now = Instant::now();
        let order = self.order(now);
        let mut later = order.iter().skip(1);
        if let Some(tunnel) = &self.tunnel
            && later.any(|place| Arc::ptr_eq(place, tunnel))
        {
            self.retry(tunnel, now);
        }
        order
    }

    fn order(&self, now: Instant) -> Vec<&Arc<Place>> {
        let tunnel = self.tunnel.as_ref().filter(|tunnel| {
            let dialer = &tunnel.upstream.target.dialer;
            self.direct.is_empty() || matches!(dialer, Dialer::Tunnel(it) if it.is_attached())
        });
        let record = |place: &Arc<Place>| *place.record.lock();
        let has_failed = |tunnel| record(tunnel).has_failed();
        if self.direct.len() < 2 && !tunnel.is_some_and(has_failed) {
            return tunnel.into_iter().chain(&self.direct).collect();
        }
        let all = || self.direct.iter().chain(tunnel);
        let addresses: Vec<_> = self.direct.iter().map(record).collect();
        let order = order(&addresses, tunnel.map(record), now);
        order.iter().filter_map(|index| all().nth(*index)).collect()
    }

    fn worked(&self, place: &Arc<Place>) {
        if place.record.lock().is_good() {
            return;
        }
        let is_address = self.direct.iter().any(|it| Arc::ptr_eq(it, place));
        for other in self.direct.iter().filter(|_| is_address) {
            let mut record = other.record.lock();
            *record = record.passed_over();
        }
        *place.record.lock() = TrackRecord::GOOD;
    }

    /// Tries a place again if it has failed and rested. No request waits for it.
    fn retry(&self, place: &Arc<Place>, now: Instant) {
        let mut record = place.record.lock();
        if !record.has_rested(now) {
            return;
        }
        // It counts as failed until it works, so there is one attempt at a time.
        *record = record.failed(now);
        drop(record);
        let place = Arc::clone(place);
        self.shared.tasks.spawn(async move {
            if place.upstream.lease(Wanted::Any).await.is_ok() {
                *place.record.lock() = TrackRecord::GOOD;
            }
        });
    }
}

impl Place {
    fn new(target: &Target, shared: &Shared) -> Result<Self, TlsConfigError> {
        let (tasks, gone) = (shared.tasks.clone(), shared.gone.clone());
        Ok(Self {
            upstream: Arc::new(Upstream::new(target.clone(), tasks, gone)?),
            record: Mutex::default(),
        })
    }

    fn failed(&self, error: &ConnectError, now: Instant) {
        if error.is_of_place() {
            let mut record = self.record.lock();
            *record = record.failed(now);
        }
    }
}

#[cfg(test)]
mod tests;
