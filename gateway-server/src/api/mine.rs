//! `myclusters`: the clusters on which a caller has grants, in full or as a table. Pure.

use crds::{
    ClusterName,
    cluster_core::{API_VERSION, MyCluster, MyClusterStatus, MyGrant},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::{Answer, accept::ObjectFormat};

/// One of the caller's clusters.
pub(crate) fn one(cluster: &ClusterName, healthy: Option<bool>, grants: Vec<MyGrant>) -> MyCluster {
    MyCluster {
        metadata: ObjectMeta {
            name: Some(cluster.to_string()),
            ..ObjectMeta::default()
        },
        status: MyClusterStatus { healthy, grants },
    }
}

/// The list.
pub(crate) fn list(mine: &[MyCluster], format: ObjectFormat) -> Answer {
    match format {
        ObjectFormat::Json | ObjectFormat::Metadata(_) => Answer::json(&json!({
            "kind": "MyClusterList", "apiVersion": API_VERSION, "metadata": {}, "items": mine,
        })),
        ObjectFormat::Table(version) => Answer::json(&json!({
            "kind": "Table", "apiVersion": version.api_version(), "metadata": {},
            "columnDefinitions": [
                column("Name", "name", "Name of the managed cluster."),
                column("Healthy", "", "Whether the gateway reaches the cluster."),
                column("Grants", "", "Your grants on the cluster."),
            ],
            "rows": mine.iter().map(row).collect::<Vec<_>>(),
        })),
    }
}

fn column(name: &str, format: &str, description: &str) -> Value {
    json!({"name": name, "type": "string", "format": format, "description": description, "priority": 0})
}

fn row(mine: &MyCluster) -> Value {
    let grants = mine.status.grants.iter();
    let grants: Vec<_> = grants
        .map(|it| format!("{} ({})", it.name, it.role))
        .collect();
    let healthy = mine.status.healthy;
    let healthy = healthy.map_or_else(|| "Unknown".to_owned(), |it| it.to_string());
    json!({"cells": [mine.metadata.name, healthy, grants.join(", ")]})
}

#[cfg(test)]
mod tests {
    use crds::gateway::GrantState;

    use super::*;
    use crate::api::accept::MetaVersion;

    #[test]
    fn a_caller_sees_each_cluster_with_its_grants() {
        let grant = MyGrant {
            name: "alice-view".to_owned(),
            role: "view".to_owned(),
            namespaces: Vec::new(),
            state: GrantState::Applied,
            message: String::new(),
            expires_at: None,
        };
        let mine = vec![one(&"managed1".parse().unwrap(), Some(true), vec![grant])];
        let said = |format| -> Value { serde_json::from_slice(&list(&mine, format).body).unwrap() };
        let whole = said(ObjectFormat::Json);
        assert_eq!(whole["items"][0]["metadata"]["name"], "managed1");
        assert_eq!(whole["items"][0]["status"]["grants"][0]["role"], "view");
        let table = said(ObjectFormat::Table(MetaVersion::V1));
        assert_eq!(
            table["rows"][0]["cells"],
            json!(["managed1", "true", "alice-view (view)"])
        );
    }
}
