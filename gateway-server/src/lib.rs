//! The aggregated API server of `cluster.core.oam.dev`: it lists the managed clusters and proxies
//! Kubernetes API requests to them. A library so that its parts can be tested and fuzzed; the
//! program is `main.rs`.

mod account_name;
mod account_rights;
mod acting;
mod answers;
mod api;
mod args;
mod attach;
mod audit;
mod authentication;
mod authorization;
mod body;
mod breaker;
mod clusters;
mod destination;
mod door;
mod ending;
mod executor;
mod follow;
pub mod fuzz;
mod gateway;
mod grants;
mod health;
mod hub_clock;
mod identities;
mod ip_range;
mod metrics;
mod peers;
mod proxy;
mod replicas;
mod request_info;
mod route;
mod run;
mod seats;
mod service_name;
mod serving;
mod status;
mod tunnels;
mod upstream;
mod verb;
mod watch;
mod way;

pub use crate::{
    account_name::{AccountName, AccountNameError},
    args::{
        Args, AuditDestination, AuditSettings, CertificateFiles, Egress, Others, PeerSettings,
        Settings, SettingsError, TunnelEntrance,
    },
    breaker::Tripping,
    identities::Identities,
    ip_range::{IpRange, IpRangeError},
    route::PathError,
    run::run,
    seats::{Limits, Rate},
    service_name::{ServiceName, ServiceNameError},
};
