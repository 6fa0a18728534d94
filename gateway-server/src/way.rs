//! All places at which one managed cluster's API server can be reached. Which one a request takes
//! is decided when it needs a connection: through the tunnel while an agent is attached, else at
//! the addresses, the last good one first. A place that cannot be connected to hands over to the
//! next before anything of the request has left.

mod track_record;

use std::{collections::BTreeMap, sync::Arc};

use crds::ServiceAddress;
use hyper::client::conn::http1;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::track_record::{TrackRecord, order};
use crate::upstream::{
    ConnectError, Dialer, PoolError, Pooled, RequestBody, Target, TlsConfigError, Upstream,
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
    tunnel: Option<Arc<Upstream>>,
    direct: Vec<Arc<Address>>,
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

/// An address with its track record.
#[derive(Debug)]
struct Address {
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
    /// Prepares the way to a cluster that was not known before. `places` has at least one.
    pub(crate) fn new(places: Places, tasks: TaskTracker) -> Result<Self, TlsConfigError> {
        let shared = Shared {
            tasks,
            gone: CancellationToken::new(),
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
        let upstream = |target: &Target| {
            Upstream::new(target.clone(), shared.tasks.clone(), shared.gone.clone()).map(Arc::new)
        };
        let through_tunnel = |target: &Target| {
            let known = old.and_then(|old| old.tunnel.as_ref());
            match known.filter(|known| known.target == *target) {
                Some(kept) => Ok(Arc::clone(kept)),
                None => upstream(target),
            }
        };
        let tunnel = places.tunnel.as_ref().map(through_tunnel).transpose()?;
        let (mut direct, mut fault) = (Vec::new(), None);
        for target in &places.direct {
            let mut known = old.iter().flat_map(|old| &old.direct);
            match known.find(|known| known.upstream.target == *target) {
                Some(kept) => direct.push(Arc::clone(kept)),
                None => match upstream(target) {
                    Ok(upstream) => direct.push(Arc::new(Address {
                        upstream,
                        record: Mutex::default(),
                    })),
                    Err(error) => fault = Some(error),
                },
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
        let Dialer::Tunnel(tunnel) = &self.tunnel.as_ref()?.target.dialer else {
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
    pub(crate) async fn lease(&self) -> Result<Leased, PoolError> {
        let mut first = None;
        for upstream in self.order(Instant::now()) {
            match upstream.lease().await {
                Ok(pooled) => {
                    self.worked(&upstream);
                    return Ok(Leased { upstream, pooled });
                }
                Err(error @ PoolError::Connect { .. }) => {
                    self.failed(&upstream, Instant::now());
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(first.expect("there is at least one place"))
    }

    /// A separate HTTP/1.1 connection for a request that wants to upgrade.
    pub(crate) async fn upgradable(&self) -> Result<Upgradable, Arc<ConnectError>> {
        let mut first = None;
        for upstream in self.order(Instant::now()) {
            match upstream.upgradable().await {
                Ok(sender) => {
                    self.worked(&upstream);
                    return Ok(Upgradable { upstream, sender });
                }
                Err(error) => {
                    self.failed(&upstream, Instant::now());
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.expect("there is at least one place"))
    }

    /// The place that a request would go to now.
    pub(crate) fn current(&self) -> Arc<Upstream> {
        let mut order = self.order(Instant::now());
        order.swap_remove(0)
    }

    /// Which of the addresses a target is.
    pub(crate) fn position(&self, target: &Target) -> Option<usize> {
        self.places.direct.iter().position(|it| it == target)
    }

    /// Ends with the managed cluster.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.shared.gone
    }

    fn order(&self, now: Instant) -> Vec<Arc<Upstream>> {
        let is_usable = |tunnel: &&Arc<Upstream>| {
            self.direct.is_empty()
                || matches!(&tunnel.target.dialer, Dialer::Tunnel(it) if it.is_attached())
        };
        let tunnel = self.tunnel.iter().filter(is_usable).map(Arc::clone);
        let address = |index: usize| Arc::clone(&self.direct[index].upstream);
        if self.direct.len() < 2 {
            return tunnel.chain((0..self.direct.len()).map(address)).collect();
        }
        let records: Vec<_> = self.direct.iter().map(|it| *it.record.lock()).collect();
        let direct = order(&records, now).into_iter().map(address);
        tunnel.chain(direct).collect()
    }

    fn worked(&self, upstream: &Arc<Upstream>) {
        let is_it = |address: &Address| Arc::ptr_eq(&address.upstream, upstream);
        let Some(address) = self.direct.iter().find(|address| is_it(address)) else {
            return;
        };
        if address.record.lock().is_good() {
            return;
        }
        for address in &self.direct {
            let mut record = address.record.lock();
            *record = if is_it(address) {
                TrackRecord::GOOD
            } else {
                record.passed_over()
            };
        }
    }

    fn failed(&self, upstream: &Arc<Upstream>, now: Instant) {
        for address in &self.direct {
            if Arc::ptr_eq(&address.upstream, upstream) {
                let mut record = address.record.lock();
                *record = record.failed(now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
