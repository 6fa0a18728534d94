//! The addresses of the other replicas: the endpoints of a headless Service, or the addresses in a
//! flag.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client, ResourceExt as _, runtime::watcher};
use parking_lot::Mutex;
use runtime::readiness::Readiness;
use tokio::sync::watch;

use crate::{
    args::Others,
    follow::{follow, follower::Follower},
};

/// The label of a slice that names its Service.
const SERVICE: &str = "kubernetes.io/service-name";

/// Finds the addresses of all replicas, including this one.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) others: Others,
    /// The port of an endpoint if its slice does not name one.
    pub(super) port: u16,
    /// The addresses; `None` until they are known.
    pub(super) found: watch::Sender<Option<BTreeSet<String>>>,
}

impl Discovery {
    /// Follows the addresses for as long as it is polled.
    pub(super) async fn follow(self, hub: Client) {
        let Self {
            others,
            port,
            found,
        } = self;
        match others {
            Others::Addresses(addresses) => {
                found.send_replace(Some(addresses.into_iter().collect()));
                // Flags do not change while the process runs.
                std::future::pending::<()>().await;
            }
            Others::Service(service) => {
                let slices = Slices {
                    port,
                    found,
                    known: Mutex::default(),
                };
                let api: Api<EndpointSlice> = Api::namespaced(hub, service.namespace());
                let config = watcher::Config::default();
                let config = config.labels(&format!("{SERVICE}={}", service.name()));
                // The process's readiness must not depend on this: if discovery is broken, a lone
                // replica still becomes ready.
                let listed = Readiness::default().condition("endpoints");
                follow(&slices, api, config, listed).await;
            }
        }
    }
}

/// The `EndpointSlice`s of the Service and the addresses in each.
struct Slices {
    port: u16,
    found: watch::Sender<Option<BTreeSet<String>>>,
    known: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Slices {
    fn say(&self, known: &BTreeMap<String, BTreeSet<String>>) {
        let addresses: BTreeSet<_> = known.values().flatten().cloned().collect();
        self.found.send_if_modified(|found| {
            let differs = found.as_ref() != Some(&addresses);
            *found = Some(addresses);
            differs
        });
    }
}

impl Follower for Slices {
    type Object = EndpointSlice;
    const WHAT: &'static str = "endpoints of the other replicas";

    fn reset(&self, slices: &[EndpointSlice]) {
        let mut known = self.known.lock();
        let read = |slice: &EndpointSlice| (slice.name_any(), addresses(slice, self.port));
        *known = slices.iter().map(read).collect();
        self.say(&known);
    }

    fn has_no_kind(&self) {
        self.reset(&[]);
    }

    fn apply(&self, slice: &EndpointSlice) {
        let mut known = self.known.lock();
        known.insert(slice.name_any(), addresses(slice, self.port));
        self.say(&known);
    }

    fn remove(&self, slice: &EndpointSlice) {
        let mut known = self.known.lock();
        known.remove(&slice.name_any());
        self.say(&known);
    }
}

/// The addresses in a slice, including those that are not ready, because a replica that is starting
/// or shutting down has news as well.
fn addresses(slice: &EndpointSlice, default_port: u16) -> BTreeSet<String> {
    let mut ports = slice.ports.iter().flatten();
    let port = ports.find_map(|port| u16::try_from(port.port?).ok());
    let port = port.unwrap_or(default_port);
    let addresses = slice.endpoints.iter().flat_map(|it| &it.addresses);
    let addresses = addresses.filter_map(|address| address.parse::<IpAddr>().ok());
    addresses
        .map(|address| SocketAddr::new(address, port).to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slice(name: &str, addresses: &[&str]) -> EndpointSlice {
        serde_json::from_value(json!({
            "metadata": {"name": name}, "addressType": "IPv4",
            "endpoints": addresses.iter().map(|it| json!({
                "addresses": [it], "conditions": {"ready": false},
            })).collect::<Vec<_>>(),
            "ports": [{"name": "peers", "port": 9445}],
        }))
        .unwrap()
    }

    #[test]
    fn addresses_follow_the_slices_of_the_service() {
        let (found, addresses) = watch::channel(None);
        let slices = Slices {
            port: 1,
            found,
            known: Mutex::default(),
        };
        let now = || {
            addresses
                .borrow()
                .clone()
                .unwrap()
                .into_iter()
                .collect::<Vec<_>>()
        };
        slices.reset(&[slice("one", &["10.0.0.1", "10.0.0.2"])]);
        slices.apply(&slice("two", &["10.0.0.3", "nonsense"]));
        assert_eq!(now(), ["10.0.0.1:9445", "10.0.0.2:9445", "10.0.0.3:9445"]);
        slices.apply(&slice("one", &["10.0.0.2"]));
        slices.remove(&slice("two", &[]));
        assert_eq!(now(), ["10.0.0.2:9445"]);
        slices.has_no_kind();
        assert!(now().is_empty());
    }
}
