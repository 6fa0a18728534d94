//! `clustergateways` as tables show them: the columns of cluster-gateway, Reason and Age.

use crds::cluster_core::{ClusterGateway, ClusterGatewaySpec, ClusterGatewayStatus};
use jiff::Timestamp;

use super::{
    age::age,
    kind::{Column, Kind},
};

impl Kind for ClusterGateway {
    const RESOURCE: &'static str = "clustergateways";
    const KIND: &'static str = "ClusterGateway";
    const LIST: &'static str = "ClusterGatewayList";
    const COLUMNS: &'static [Column] = COLUMNS;

    type Spec = ClusterGatewaySpec;
    type Status = ClusterGatewayStatus;
    type Cells = [String; COLUMNS.len()];

    fn spec(&self) -> &ClusterGatewaySpec {
        &self.spec
    }

    fn status(&self) -> Option<&ClusterGatewayStatus> {
        self.status.as_ref()
    }

    fn cells(&self, now: Timestamp) -> Self::Cells {
        cells(self, now)
    }
}

const COLUMNS: &[Column] = &[
    Column::new("Name", "name", "Name of the managed cluster."),
    Column::new("Provider", "", "Provider of the cluster."),
    Column::new(
        "Credential-Type",
        "",
        "Type of the credential that the gateway uses for the cluster.",
    ),
    Column::new("Endpoint-Type", "", "How the gateway reaches the cluster."),
    Column::new(
        "Healthy",
        "",
        "Whether the gateway's last attempt to connect to the cluster succeeded.",
    ),
    Column::new("Reason", "", "Why the cluster is not healthy."),
    Column::new(
        "Age",
        "",
        "Time since the object that makes the cluster known to the gateway was created.",
    ),
    Column::wide("Version", "Version of the cluster's API server.", 1),
    Column::wide(
        "Last-Seen",
        "How long ago the gateway stopped reaching the cluster.",
        1,
    ),
];

fn cells(gateway: &ClusterGateway, now: Timestamp) -> [String; COLUMNS.len()] {
    let access = &gateway.spec.access;
    [
        gateway.metadata.name.clone().unwrap_or_default(),
        gateway.spec.provider.clone(),
        access.credential.credential_type.to_string(),
        access.endpoint.endpoint_type.to_string(),
        // A cluster that was never probed is not unhealthy, though cluster-gateway says so.
        gateway
            .status
            .as_ref()
            .map_or_else(|| "Unknown".to_owned(), |status| status.healthy.to_string()),
        gateway
            .status
            .as_ref()
            .map_or_else(String::new, |status| status.healthy_reason.clone()),
        gateway
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or_else(|| "<unknown>".to_owned(), |created| age(created.0, now)),
        gateway
            .status
            .as_ref()
            .map_or_else(String::new, |status| status.kubernetes_version.clone()),
        last_seen(gateway.status.as_ref(), now),
    ]
}

fn last_seen(status: Option<&ClusterGatewayStatus>, now: Timestamp) -> String {
    match status {
        Some(status) if status.healthy => "now".to_owned(),
        Some(ClusterGatewayStatus {
            last_seen_time: Some(seen),
            ..
        }) => format!("{} ago", age(seen.0, now)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::api::{
        accept::{MetaVersion, ObjectFormat},
        objects::{
            list, single,
            tests::{body, gateway, rendering},
        },
        options::IncludeObject,
        rendering::ListMetadata,
    };
    use crds::cluster_core::ClusterGatewayStatus;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    const TABLE: ObjectFormat = ObjectFormat::Table(MetaVersion::V1);

    #[test]
    fn a_list_is_one_row_per_cluster() {
        let whole = ListMetadata::whole("42");
        insta::assert_json_snapshot!(body(&list([&gateway("managed1")], whole, rendering(TABLE))));
    }

    #[test]
    fn an_object_is_a_table_of_one_row_with_its_own_version() {
        let table = body(&single(&gateway("managed1"), rendering(TABLE)));
        assert_eq!(table["metadata"]["resourceVersion"], "41");
        assert_eq!(table["rows"][0]["cells"][0], "managed1");
        assert_eq!(table["rows"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn health_is_told_only_after_a_probe() {
        let mut gateway = gateway("managed1");
        for (status, cell) in [
            (None, "Unknown"),
            (Some(true), "true"),
            (Some(false), "false"),
        ] {
            gateway.status = status.map(|healthy| ClusterGatewayStatus {
                healthy,
                ..Default::default()
            });
            let table = body(&single(&gateway, rendering(TABLE)));
            assert_eq!(table["rows"][0]["cells"][4], cell);
        }
    }

    #[test]
    fn a_cluster_that_is_away_says_when_it_was_seen_last() {
        let mut gateway = gateway("managed1");
        let now = rendering(TABLE).now;
        gateway.status = Some(ClusterGatewayStatus {
            kubernetes_version: "v1.33.1".to_owned(),
            last_seen_time: Some(Time(now - jiff::SignedDuration::from_mins(5))),
            ..Default::default()
        });
        let table = body(&single(&gateway, rendering(TABLE)));
        assert_eq!(table["rows"][0]["cells"][7], "v1.33.1");
        assert_eq!(table["rows"][0]["cells"][8], "5m ago");
    }

    #[test]
    fn a_cluster_of_unknown_age_says_so() {
        let mut gateway = gateway("managed1");
        gateway.metadata.creation_timestamp = None;
        let table = body(&single(&gateway, rendering(TABLE)));
        assert_eq!(table["rows"][0]["cells"][6], "<unknown>");
    }

    #[test]
    fn rows_carry_what_was_asked_for() {
        let object = |include| {
            let mut rendering = rendering(ObjectFormat::Table(MetaVersion::V1Beta1));
            rendering.include = include;
            body(&single(&gateway("managed1"), rendering))["rows"][0]["object"].take()
        };
        assert_eq!(object(IncludeObject::None), Value::Null);
        let metadata = object(IncludeObject::Metadata);
        assert_eq!(metadata["kind"], "PartialObjectMetadata");
        assert_eq!(metadata["apiVersion"], "meta.k8s.io/v1beta1");
        assert_eq!(metadata.get("spec"), None);
        let full = object(IncludeObject::Object);
        assert_eq!(full["kind"], "ClusterGateway");
        assert_eq!(
            full["spec"]["access"]["credential"],
            json!({ "type": "ServiceAccountToken" })
        );
    }
}
