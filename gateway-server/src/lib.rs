//! The aggregated API server of `cluster.core.oam.dev`: it lists the managed clusters and proxies
//! Kubernetes API requests to them. A library so that its parts can be tested and fuzzed; the
//! program is `main.rs`.

mod account_name;
mod account_rights;
mod acting;
mod api;
mod args;
mod attach;
mod authentication;
mod authorization;
mod body;
mod clusters;
mod door;
mod ending;
mod executor;
mod follow;
mod gateway;
mod grants;
mod hub_clock;
mod identities;
mod ip_range;
mod metrics;
mod peers;
mod proxy;
mod replicas;
mod route;
mod run;
mod seats;
mod service_name;
mod status;
mod tunnels;
mod upstream;
mod verb;
mod watch;
mod way;

pub use crate::{
    account_name::{AccountName, AccountNameError},
    args::{Args, Egress, Others, PeerSettings, Settings, TunnelEntrance},
    identities::Identities,
    ip_range::{IpRange, IpRangeError},
    route::PathError,
    run::run,
    seats::Limits,
    service_name::{ServiceName, ServiceNameError},
};

use crate::route::{Endpoint, Route};

/// Feeds bytes of another replica to the reader of its news, and checks that each line that is
/// understood is written and read back unchanged. The fuzz target and its corpus call this.
pub fn fuzz_news(bytes: &[u8]) {
    peers::fuzz_news(&String::from_utf8_lossy(bytes));
}

/// Feeds bytes of a peer to the path splitter and checks what must hold for any of them: a tail
/// that passes is a suffix of the path and climbs nowhere. The fuzz target and its corpus call
/// this.
pub fn fuzz_path(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return;
    };
    let route = route::route(path);
    if let Ok(Route::Endpoint(Endpoint::Proxy { tail, .. })) = route {
        assert!(path.ends_with(tail));
        let decoded = percent_encoding::percent_decode_str(tail).decode_utf8_lossy();
        assert!(
            !decoded
                .split('/')
                .any(|segment| segment == ".." || segment == "."),
            "{path}"
        );
    }
}
