//! Operations of the served resources. `kubectl explain` finds a resource's kind here.

use serde_json::{Map, Value, json};

use super::{
    dialect::Dialect,
    schemas::{GATEWAY, GATEWAY_LIST, VIRTUAL, VIRTUAL_LIST, gvk},
};

const VIRTUAL_COLLECTION: &str = "/apis/cluster.core.oam.dev/v1alpha1/virtualclusters";
const COLLECTION: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";

/// Methods that are passed on to a managed cluster, with their names in operation ids.
const METHODS: &[(&str, &str)] = &[
    ("get", "Get"),
    ("put", "Put"),
    ("post", "Post"),
    ("delete", "Delete"),
    ("options", "Options"),
    ("head", "Head"),
    ("patch", "Patch"),
];

pub(super) fn paths(dialect: Dialect) -> Value {
    let name = dialect.parameter("path", "name", "Name of the managed cluster.");
    let path = dialect.parameter(
        "path",
        "path",
        "Path of the request on the managed cluster.",
    );
    json!({
        COLLECTION: { "get": list(
            dialect,
            "ClusterGateway",
            "List the managed clusters that can be reached through the gateway.",
            GATEWAY_LIST,
        ) },
        format!("{COLLECTION}/{{name}}"): {
            "get": read(dialect, "ClusterGateway", "Read one managed cluster.", GATEWAY),
            "parameters": [name],
        },
        format!("{COLLECTION}/{{name}}/proxy"): proxy(dialect, "", json!([name])),
        format!("{COLLECTION}/{{name}}/proxy/{{path}}"): proxy(dialect, "WithPath", json!([name, path])),
        VIRTUAL_COLLECTION: { "get": list(
            dialect,
            "VirtualCluster",
            "List the clusters that the hub knows.",
            VIRTUAL_LIST,
        ) },
        format!("{VIRTUAL_COLLECTION}/{{name}}"): {
            "get": read(dialect, "VirtualCluster", "Read one cluster.", VIRTUAL),
            "parameters": [name],
        },
    })
}

fn list(dialect: Dialect, kind: &str, description: &str, schema: &str) -> Value {
    let mut operation = dialect.operation(
        &format!("listClusterCoreOamDevV1alpha1{kind}"),
        "list",
        description,
        kind,
        Some(schema),
    );
    operation["parameters"] = json!([
        dialect.parameter(
            "query",
            "labelSelector",
            "Return only clusters with matching labels."
        ),
        dialect.parameter(
            "query",
            "fieldSelector",
            "Return only clusters with a matching metadata.name."
        ),
        dialect.parameter(
            "query",
            "watch",
            "Return a stream of changes, one event per line."
        ),
        dialect.parameter(
            "query",
            "resourceVersion",
            "Start the watch after this version, which a list returned."
        ),
        dialect.parameter(
            "query",
            "sendInitialEvents",
            "Start the watch with all clusters that exist."
        ),
        dialect.parameter(
            "query",
            "allowWatchBookmarks",
            "Also send bookmarks, which carry a version but no change."
        ),
        dialect.parameter(
            "query",
            "timeoutSeconds",
            "End the watch after this many seconds."
        ),
    ]);
    operation
}

fn read(dialect: Dialect, kind: &str, description: &str, schema: &str) -> Value {
    dialect.operation(
        &format!("readClusterCoreOamDevV1alpha1{kind}"),
        "get",
        description,
        kind,
        Some(schema),
    )
}

fn proxy(dialect: Dialect, suffix: &str, parameters: Value) -> Value {
    let operation = |&(method, name): &(&str, &str)| {
        let operation = dialect.operation(
            &format!("connectClusterCoreOamDevV1alpha1{name}ClusterGatewayProxy{suffix}"),
            "connect",
            "Pass the request to the API server of the managed cluster.",
            "ClusterGatewayProxyOptions",
            None,
        );
        (method.to_owned(), operation)
    };
    let mut item: Map<_, _> = METHODS.iter().map(operation).collect();
    item.insert("parameters".to_owned(), parameters);
    item.into()
}

impl Dialect {
    fn parameter(self, place: &str, name: &str, description: &str) -> Value {
        let mut parameter = json!({
            "name": name,
            "in": place,
            "description": description,
            "required": place == "path",
        });
        match self {
            Self::V2 => parameter["type"] = "string".into(),
            Self::V3 => parameter["schema"] = json!({ "type": "string" }),
        }
        parameter
    }

    /// An operation that answers a schema of ours or, if none is given, anything at all.
    fn operation(
        self,
        id: &str,
        action: &str,
        description: &str,
        kind: &str,
        schema: Option<&str>,
    ) -> Value {
        let media_type = if schema.is_some() {
            "application/json"
        } else {
            "*/*"
        };
        let schema =
            schema.map_or_else(|| json!({ "type": "string" }), |name| self.reference(name));
        let mut operation = json!({
            "operationId": id,
            "description": description,
            "tags": ["clusterCoreOamDev_v1alpha1"],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(kind),
        });
        let ok = match self {
            Self::V2 => {
                operation["schemes"] = json!(["https"]);
                operation["produces"] = json!([media_type]);
                json!({ "description": "OK", "schema": schema })
            }
            Self::V3 => {
                json!({ "description": "OK", "content": { media_type: { "schema": schema } } })
            }
        };
        operation["responses"] = json!({ "200": ok });
        operation
    }
}
