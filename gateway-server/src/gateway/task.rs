//! What a request asks for: the right that it takes on the hub, and who answers it.

use crds::{ClusterName, ServiceAddress};
use http::Request;

use crate::{
    api::options::Options,
    authorization::Action,
    route::{Endpoint, Own},
    verb::Verb,
};

/// What a request asks for.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Asked {
    /// What the hub's RBAC is asked about.
    pub(super) action: Action,
    pub(super) task: Task,
}

/// Who answers a request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Task {
    /// The tunnels: an agent of this cluster wants to keep one.
    Attach(ClusterName),
    /// The managed cluster.
    Forward {
        cluster: ClusterName,
        /// The service of the cluster that is meant, if it is not the API server.
        service: Option<ServiceAddress>,
        /// How many bytes at the end of the path are meant for it.
        tail_length: usize,
    },
    /// The gateway itself.
    Own(Own),
}

impl Asked {
    pub(super) fn of<B>(endpoint: Endpoint<'_>, request: &Request<B>) -> Self {
        let verb = Verb::of_method(request.method());
        match endpoint {
            Endpoint::Attach(cluster) => Self {
                action: Action::attach(&cluster),
                task: Task::Attach(cluster),
            },
            Endpoint::Proxy { cluster, tail } => Self {
                action: Action::of(verb, "proxy", &cluster),
                task: Task::Forward {
                    cluster,
                    service: None,
                    tail_length: tail.len(),
                },
            },
            Endpoint::Service {
                cluster,
                service,
                tail,
            } => Self {
                action: Action::of(verb, "services", &cluster),
                task: Task::Forward {
                    cluster,
                    service: Some(service),
                    tail_length: tail.len(),
                },
            },
            Endpoint::Own(own) => Self {
                action: reading(&own, request),
                task: Task::Own(own),
            },
        }
    }
}

/// The right to read what the gateway itself answers.
fn reading<B>(own: &Own, request: &Request<B>) -> Action {
    let verb = Verb::of_method(request.method());
    match own {
        Own::Get(cluster) => Action::of(verb, "", cluster),
        Own::Health(cluster) => Action::of(verb, "health", cluster),
        Own::List => listing(verb, request.uri().query()),
        Own::Document(_) | Own::Unknown => Action::Path {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
        },
    }
}

fn listing(verb: Verb, query: Option<&str>) -> Action {
    // A query that makes no sense is refused to whoever may list all.
    let options = Options::parse(query).unwrap_or_default();
    let verb = match verb {
        Verb::Get if options.watch.is_some() => Verb::Watch,
        Verb::Get => Verb::List,
        other => other,
    };
    // As API servers do, so that who may list one cluster can.
    let name = options.selection.only();
    Action::Resource {
        verb,
        subresource: "",
        name: name.and_then(|name| name.parse().ok()),
    }
}
