//! Where agents attach: at the hub's API server, or at an entrance of the gateway itself. Pure.

use std::net::IpAddr;

use crds::gateway::{EgressType, EntrypointType, GatewayConfigurationSpec, ServerDeployment};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceStatus;

use crate::{
    kind::{Kind, ObjectKey},
    names::{AUTHORITY, TUNNEL_SERVICE},
    object::part,
    observed::Observed,
    plan::pki::Authorities,
};

/// The port of the gateway's pods, and of its Service, that agents connect to.
pub(crate) const PORT: u16 = 9444;
/// The port that agents dial by default.
const DIALLED: i32 = 443;

/// Where agents attach.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Entrance {
    /// At the hub's API server.
    Hub,
    /// At the hub's API server, until the gateway's own entrance is ready.
    Pending { why: String },
    /// At the gateway.
    Own(Address),
}

/// The gateway's own entrance, as agents know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    host: String,
    port: i32,
    /// The certificates in PEM that the gateway's certificate is verified with.
    pub(crate) authority: String,
}

impl Entrance {
    pub(crate) fn of(observed: &Observed, spec: &GatewayConfigurationSpec, now: Timestamp) -> Self {
        if !is_wanted(spec) {
            return Self::Hub;
        }
        let Some(host) = hosts(observed, spec).into_iter().next() else {
            return Self::Pending {
                why: no_address(spec),
            };
        };
        match authority(observed, spec, now) {
            Some(authority) => Self::Own(Address {
                host,
                port: port(spec),
                authority,
            }),
            None => Self::Pending {
                why: "the CA of the gateway's certificate does not exist yet".to_owned(),
            },
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

/// True if the configuration asks for an entrance of the gateway itself.
pub(crate) fn is_wanted(spec: &GatewayConfigurationSpec) -> bool {
    let egress = &spec.egress;
    egress.kind != EgressType::Direct && egress.entrypoint.kind != EntrypointType::HubApi
}

/// The port that agents dial.
pub(crate) fn port(spec: &GatewayConfigurationSpec) -> i32 {
    spec.egress.entrypoint.port.unwrap_or(DIALLED)
}

/// The names and addresses by which agents may call the gateway. The one that they dial comes
/// first.
pub(crate) fn hosts(observed: &Observed, spec: &GatewayConfigurationSpec) -> Vec<String> {
    if !is_wanted(spec) {
        return Vec::new();
    }
    let entrypoint = &spec.egress.entrypoint;
    match entrypoint.kind {
        EntrypointType::HubApi => Vec::new(),
        EntrypointType::Hostname => entrypoint.hostname.iter().cloned().collect(),
        EntrypointType::LoadBalancer => of_load_balancer(observed, &spec.server.namespace),
    }
}

/// The Service with the load balancer.
pub(crate) fn service(namespace: &str) -> ObjectKey {
    ObjectKey::new(Kind::Service, namespace, TUNNEL_SERVICE)
}

fn of_load_balancer(observed: &Observed, namespace: &str) -> Vec<String> {
    let service = observed.object(&service(namespace));
    let status = service.and_then(|service| part::<ServiceStatus>(service, "status"));
    let balancer = status.and_then(|status| status.load_balancer);
    let ingress = balancer.and_then(|balancer| balancer.ingress);
    let hosts = ingress.into_iter().flatten().filter_map(|ingress| {
        let named = ingress.hostname.filter(|name| !name.is_empty());
        // Addresses are written in the form in which they are read from certificates.
        let address = ingress.ip.and_then(|ip| ip.parse::<IpAddr>().ok());
        named.or_else(|| address.map(|address| address.to_string()))
    });
    hosts.collect()
}

fn no_address(spec: &GatewayConfigurationSpec) -> String {
    match spec.egress.entrypoint.kind {
        EntrypointType::LoadBalancer => format!(
            "the load balancer has no address yet; kubectl describe service -n {} {TUNNEL_SERVICE} shows \
             its events",
            spec.server.namespace
        ),
        EntrypointType::HubApi | EntrypointType::Hostname => {
            "spec.egress.entrypoint.hostname is not set, so agents have no address to connect to"
                .to_owned()
        }
    }
}

fn authority(
    observed: &Observed,
    spec: &GatewayConfigurationSpec,
    now: Timestamp,
) -> Option<String> {
    match spec.server.deployment {
        ServerDeployment::External => {
            let external = spec.server.external.as_ref()?;
            String::from_utf8(external.ca_bundle.0.clone()).ok()
        }
        ServerDeployment::Managed => {
            let key = ObjectKey::new(Kind::Secret, &spec.server.namespace, AUTHORITY);
            Some(Authorities::read(observed.object(&key)?, now)?.bundle())
        }
    }
}
