//! Discovery: which group, version, resources and verbs there are. One table of resources is
//! rendered as the legacy documents and as the aggregated one, so that they cannot disagree.

use crds::cluster_core::{API_VERSION, GROUP, VERSION};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    Answer,
    accept::{self, DiscoveryFormat, NotAcceptable},
};

struct Resource {
    name: &'static str,
    singular: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    subresources: &'static [Subresource],
}

struct Subresource {
    name: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
}

/// `kubectl get spokeway` lists what is ours.
const CATEGORIES: &[&str] = &["spokeway"];

const RESOURCES: &[Resource] = &[CLUSTER_GATEWAYS, MY_CLUSTERS, VIRTUAL_CLUSTERS];

const CLUSTER_GATEWAYS: Resource = Resource {
    name: "clustergateways",
    singular: "clustergateway",
    kind: "ClusterGateway",
    verbs: &["get", "list", "watch"],
    short_names: &["cgw"],
    categories: CATEGORIES,
    subresources: &[
        // For agents, which upgrade it to a tunnel.
        Subresource {
            name: "attach",
            kind: "ClusterGateway",
            verbs: &["get"],
        },
        Subresource {
            name: "health",
            kind: "ClusterGateway",
            verbs: &["get", "patch", "update"],
        },
        Subresource {
            name: "proxy",
            kind: "ClusterGatewayProxyOptions",
            verbs: &["create", "delete", "get", "patch", "update"],
        },
    ],
};

/// What a caller may see of itself.
const MY_CLUSTERS: Resource = Resource {
    name: "myclusters",
    singular: "mycluster",
    kind: "MyCluster",
    verbs: &["list"],
    short_names: &[],
    categories: CATEGORIES,
    subresources: &[],
};

/// All clusters that the hub knows. The short names are those of cluster-gateway.
const VIRTUAL_CLUSTERS: Resource = Resource {
    name: "virtualclusters",
    singular: "virtualcluster",
    kind: "VirtualCluster",
    verbs: &["get", "list", "watch"],
    short_names: &[
        "vc",
        "vcluster",
        "vclusters",
        "virtual-cluster",
        "virtual-clusters",
    ],
    // `kubectl get spokeway` shows the clusters already.
    categories: &[],
    subresources: &[],
};

/// The discovery documents, rendered once.
#[derive(Debug)]
pub(crate) struct Discovery {
    groups: Answer,
    aggregated_v2: Answer,
    aggregated_v2beta1: Answer,
    group: Answer,
    resources: Answer,
}

impl Discovery {
    /// Renders the documents.
    pub(crate) fn new() -> Self {
        Self {
            groups: Answer::json(&json!({
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [group()],
            })),
            aggregated_v2: aggregated(
                "v2",
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            ),
            aggregated_v2beta1: aggregated(
                "v2beta1",
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            ),
            group: Answer::json(&typed("APIGroup", group())),
            resources: Answer::json(&resource_list()),
        }
    }

    /// `/apis`.
    pub(crate) fn apis(&self, headers: &HeaderMap) -> Result<&Answer, NotAcceptable> {
        Ok(match accept::discovery(headers)? {
            DiscoveryFormat::Groups => &self.groups,
            DiscoveryFormat::AggregatedV2 => &self.aggregated_v2,
            DiscoveryFormat::AggregatedV2Beta1 => &self.aggregated_v2beta1,
        })
    }

    /// `/apis/cluster.core.oam.dev`.
    pub(crate) fn group(&self, headers: &HeaderMap) -> Result<&Answer, NotAcceptable> {
        accept::plain(headers).map(|()| &self.group)
    }

    /// `/apis/cluster.core.oam.dev/v1alpha1`.
    pub(crate) fn resources(&self, headers: &HeaderMap) -> Result<&Answer, NotAcceptable> {
        accept::plain(headers).map(|()| &self.resources)
    }
}

fn group() -> Value {
    let version = json!({ "groupVersion": API_VERSION, "version": VERSION });
    json!({ "name": GROUP, "versions": [version], "preferredVersion": version })
}

fn typed(kind: &str, mut document: Value) -> Value {
    document["kind"] = kind.into();
    document["apiVersion"] = "v1".into();
    document
}

fn resource_list() -> Value {
    let resources = RESOURCES.iter().flat_map(|resource| {
        let subresources = resource.subresources.iter().map(|subresource| {
            json!({
                "name": format!("{}/{}", resource.name, subresource.name),
                "singularName": "",
                "namespaced": false,
                "kind": subresource.kind,
                "verbs": subresource.verbs,
            })
        });
        let resource = json!({
            "name": resource.name,
            "singularName": resource.singular,
            "namespaced": false,
            "kind": resource.kind,
            "verbs": resource.verbs,
            "shortNames": resource.short_names,
            "categories": resource.categories,
        });
        std::iter::once(resource).chain(subresources)
    });
    typed(
        "APIResourceList",
        json!({ "groupVersion": API_VERSION, "resources": resources.collect::<Vec<_>>() }),
    )
}

fn aggregated(version: &str, content_type: &'static str) -> Answer {
    let gvk = |kind| json!({ "group": GROUP, "version": VERSION, "kind": kind });
    let subresource = |subresource: &Subresource| {
        json!({
            "subresource": subresource.name,
            "responseKind": gvk(subresource.kind),
            "verbs": subresource.verbs,
        })
    };
    let resource = |resource: &Resource| {
        json!({
            "resource": resource.name,
            "responseKind": gvk(resource.kind),
            "scope": "Cluster",
            "singularResource": resource.singular,
            "verbs": resource.verbs,
            "shortNames": resource.short_names,
            "categories": resource.categories,
            "subresources": resource.subresources.iter().map(subresource).collect::<Vec<_>>(),
        })
    };
    let answer = Answer::json(&json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": [{
            "metadata": { "name": GROUP },
            "versions": [{
                "version": VERSION,
                "resources": RESOURCES.iter().map(resource).collect::<Vec<_>>(),
                "freshness": "Current",
            }],
        }],
    }));
    // "public" is what the API server sends: the document is the same for every caller.
    Answer {
        content_type,
        cache_control: Some("public"),
        ..answer.tagged()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header::ACCEPT};
    use kube::core::discovery::v2::APIGroupDiscoveryList;

    fn body(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn legacy_documents_list_one_group_and_its_resources() {
        let discovery = Discovery::new();
        let headers = HeaderMap::new();
        insta::assert_json_snapshot!("groups", body(discovery.apis(&headers).unwrap()));
        insta::assert_json_snapshot!("group", body(discovery.group(&headers).unwrap()));
        insta::assert_json_snapshot!("resources", body(discovery.resources(&headers).unwrap()));
    }

    #[test]
    fn aggregated_document_says_it_all_at_once() {
        let discovery = Discovery::new();
        for version in ["v2", "v2beta1"] {
            let asked: &'static str = if version == "v2" {
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            } else {
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            };
            let answer = discovery.apis(&accept(asked)).unwrap();
            assert_eq!(answer.content_type, asked);
            assert!(answer.etag.is_some());
            assert_eq!(
                body(answer)["apiVersion"],
                format!("apidiscovery.k8s.io/{version}")
            );
        }
        let asked = accept("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        insta::assert_json_snapshot!("aggregated", body(discovery.apis(&asked).unwrap()));
    }

    #[test]
    fn clients_decode_the_aggregated_document() {
        let list: APIGroupDiscoveryList =
            serde_json::from_slice(&Discovery::new().aggregated_v2.body).unwrap();
        let resource = &list.items[0].versions[0].resources[0];
        let names = resource
            .subresources
            .iter()
            .map(|it| it.subresource.as_deref());
        assert_eq!(
            names.collect::<Vec<_>>(),
            [Some("attach"), Some("health"), Some("proxy")]
        );
    }

    #[test]
    fn protobuf_alone_is_refused() {
        let headers = accept("application/vnd.kubernetes.protobuf");
        let discovery = Discovery::new();
        assert_eq!(discovery.apis(&headers), Err(NotAcceptable));
        assert_eq!(discovery.group(&headers), Err(NotAcceptable));
        assert_eq!(discovery.resources(&headers), Err(NotAcceptable));
    }
}
