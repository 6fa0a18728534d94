//! What a request asks for: the permission that it needs on the hub, and who answers it.

use crds::ClusterName;
use http::Request;

use crate::{
    api::options::Options,
    authorization::Action,
    destination::Destination,
    route::{Collection, Endpoint, Own},
    verb::Verb,
};

/// What a request asks for.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Asked {
    /// The action that the hub's RBAC must allow.
    pub(super) action: Action,
    pub(super) task: Task,
}

/// Who answers a request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Task {
    /// The tunnels: an agent of this cluster wants to keep one.
    Attach(ClusterName),
    /// The managed cluster.
    Forward(Destination),
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
                task: Task::Forward(Destination {
                    cluster,
                    service: None,
                    tail_length: tail.len(),
                }),
            },
            Endpoint::Service {
                cluster,
                service,
                tail,
            } => Self {
                action: Action::of(verb, "services", &cluster),
                task: Task::Forward(Destination {
                    cluster,
                    service: Some(service),
                    tail_length: tail.len(),
                }),
            },
            Endpoint::Own(own) => Self {
                action: reading(&own, request),
                task: Task::Own(own),
            },
        }
    }
}

/// The permission to read what the gateway itself answers.
fn reading<B>(own: &Own, request: &Request<B>) -> Action {
    let verb = Verb::of_method(request.method());
    match own {
        Own::Get(collection, cluster) => Action::Resource {
            verb,
            collection: *collection,
            subresource: "",
            name: Some(cluster.clone()),
        },
        Own::Health(cluster) => Action::of(verb, "health", cluster),
        Own::List(collection) => listing(verb, *collection, request.uri().query()),
        Own::Document(_) | Own::Unknown => Action::Path {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
        },
    }
}

fn listing(verb: Verb, collection: Collection, query: Option<&str>) -> Action {
    // A malformed query needs permission to list all clusters; it is refused after that.
    let options = Options::parse(query).unwrap_or_default();
    let verb = match verb {
        Verb::Get if options.watch.is_some() => Verb::Watch,
        Verb::Get => Verb::List,
        other => other,
    };
    // As in API servers, so that a caller who may list only one cluster can do so.
    let name = options.selection.only();
    Action::Resource {
        verb,
        collection,
        subresource: "",
        name: name.and_then(|name| name.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::route::{Route, route};

    const BELOW: &str = "/apis/cluster.core.oam.dev/v1alpha1";

    fn asked(method: Method, path: &str) -> Action {
        let uri = format!("{BELOW}{path}");
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        let Ok(Route::Endpoint(endpoint)) = route(request.uri().path()) else {
            panic!("{path} is an endpoint");
        };
        Asked::of(endpoint, &request).action
    }

    fn right(
        verb: Verb,
        collection: Collection,
        subresource: &'static str,
        name: Option<&str>,
    ) -> Action {
        Action::Resource {
            verb,
            collection,
            subresource,
            name: name.map(|name| name.parse().unwrap()),
        }
    }

    #[test]
    fn each_resource_and_each_verb_is_a_right_of_its_own() {
        use Collection::{ClusterGateways, VirtualClusters};
        let one = Some("managed1");
        for (method, path, wanted) in [
            (
                Method::GET,
                "/virtualclusters",
                right(Verb::List, VirtualClusters, "", None),
            ),
            (
                Method::GET,
                "/virtualclusters?watch=1&fieldSelector=metadata.name%3Dmanaged1",
                right(Verb::Watch, VirtualClusters, "", one),
            ),
            (
                Method::GET,
                "/virtualclusters/managed1",
                right(Verb::Get, VirtualClusters, "", one),
            ),
            (
                Method::DELETE,
                "/virtualclusters/managed1",
                right(Verb::Delete, VirtualClusters, "", one),
            ),
            (
                Method::GET,
                "/clustergateways",
                right(Verb::List, ClusterGateways, "", None),
            ),
            (
                Method::GET,
                "/clustergateways/managed1/health",
                right(Verb::Get, ClusterGateways, "health", one),
            ),
            (
                Method::PUT,
                "/clustergateways/managed1/health",
                right(Verb::Update, ClusterGateways, "health", one),
            ),
            (
                Method::PATCH,
                "/clustergateways/managed1/health",
                right(Verb::Patch, ClusterGateways, "health", one),
            ),
        ] {
            assert_eq!(asked(method, path), wanted, "{path}");
        }
    }
}
