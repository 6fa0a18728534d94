//! The watches on the hub, as one stream of changes. A kind that cannot be watched is tried again for
//! ever, and delays no other.

use std::time::Duration;

use crds::addon;
use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll, select_all},
};
use kube::{
    Api, Client,
    core::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, Event, watcher},
    },
};
use runtime::causes::{chain, clipped};

use crate::{
    kind::Kind,
    names::{ACCESS_POLICY, API_SERVICE, GATEWAY, MANAGED_BY, MANAGER, SERVICE},
};

const PAGE: u32 = 250;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a watch saw.
#[derive(Debug)]
pub(crate) enum Change {
    Object(Kind, Box<Event<DynamicObject>>),
    /// The kind cannot be watched now.
    Fault(Kind, String),
}

/// Changes, without end.
pub(crate) type Changes = SelectAll<BoxStream<'static, Change>>;

/// Everything that plans look at; what is of the gateway's server in that namespace.
pub(crate) fn all(client: &Client, addons: addon::Version, server: &str) -> Changes {
    select_all(Kind::ALL.map(|kind| of(kind, client, addons, server)))
}

fn of(
    kind: Kind,
    client: &Client,
    addons: addon::Version,
    server: &str,
) -> BoxStream<'static, Change> {
    let resource = kind.resource(addons);
    let api: Api<DynamicObject> = if kind.is_of_server() {
        Api::namespaced_with(client.clone(), server, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    };
    watcher(api, config(kind))
        .backoff(Pauses::default())
        .map(move |event| match event {
            Ok(event) => Change::Object(kind, Box::new(event)),
            Err(error) => Change::Fault(kind, clipped(chain(&error))),
        })
        .boxed()
}

/// Of kinds that are full of others' objects, ours alone.
fn config(kind: Kind) -> watcher::Config {
    let config = watcher::Config::default().page_size(PAGE);
    let ours = format!("{MANAGED_BY}={MANAGER}");
    match kind {
        Kind::ClusterRole
        | Kind::ClusterRoleBinding
        | Kind::RoleBinding
        | Kind::Namespace
        | Kind::ServiceAccount
        | Kind::Role
        | Kind::Secret
        | Kind::Service
        | Kind::Deployment
        | Kind::PodDisruptionBudget => config.labels(&ours),
        Kind::EndpointSlice => config.labels(&format!("kubernetes.io/service-name={SERVICE}")),
        Kind::ManifestWork | Kind::CertificateSigningRequest => {
            config.labels(&format!("{}={GATEWAY}", addon::ADDON_LABEL))
        }
        Kind::AdmissionPolicy | Kind::AdmissionPolicyBinding => {
            config.fields(&format!("metadata.name={ACCESS_POLICY}"))
        }
        Kind::ApiService => config.fields(&format!("metadata.name={API_SERVICE}")),
        Kind::GatewayConfiguration
        | Kind::AccessGrant
        | Kind::ManagedCluster
        | Kind::ManagedClusterSet
        | Kind::ManagedClusterSetBinding
        | Kind::PlacementDecision
        | Kind::ClusterManagementAddOn
        | Kind::ManagedClusterAddOn
        | Kind::AddOnDeploymentConfig
        | Kind::ManagedServiceAccount => config,
    }
}

/// Pauses between attempts: soon again after an API server's restart.
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        *self = Self::default();
    }
}
