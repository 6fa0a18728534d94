//! `virtualclusters` as lists and tables show them: the columns and the order of cluster-gateway.

use crds::cluster_core::{LOCAL_CLUSTER, VirtualCluster, VirtualClusterSpec};
use jiff::Timestamp;

use super::kind::{Column, Kind, name_of};

impl Kind for VirtualCluster {
    const RESOURCE: &'static str = "virtualclusters";
    const KIND: &'static str = "VirtualCluster";
    const LIST: &'static str = "VirtualClusterList";
    const COLUMNS: &'static [Column] = COLUMNS;

    type Spec = VirtualClusterSpec;
    /// There is none.
    type Status = ();
    type Cells = [String; COLUMNS.len()];

    fn spec(&self) -> &VirtualClusterSpec {
        &self.spec
    }

    fn status(&self) -> Option<&()> {
        None
    }

    fn cells(&self, _: Timestamp) -> Self::Cells {
        [
            name_of(self).to_owned(),
            self.spec.alias.clone(),
            self.spec.credential_type.to_string(),
            self.spec.endpoint.as_str().to_owned(),
            self.spec.accepted.to_string(),
            labels(self),
            created(self).map_or_else(String::new, |created| created.to_string()),
        ]
    }

    /// The hub itself is the first, and the newest cluster the next. A cluster keeps its rank for as long
    /// as it exists, so a list in parts has the same order: a cluster that comes in between is before the
    /// parts that are still to come, and a watch from the list's revision tells of it, as it does if lists
    /// are in the order of names. Watches begin in the order of names, as those of API servers do.
    fn rank(&self) -> i64 {
        if name_of(self) == LOCAL_CLUSTER {
            return i64::MIN;
        }
        created(self).map_or(0, |created| -created.as_second())
    }
}

const COLUMNS: &[Column] = &[
    Column::new("Name", "name", "Name of the cluster."),
    Column::new("Alias", "", "Another name of the cluster."),
    Column::new(
        "Credential_Type",
        "",
        "What the gateway logs in to the cluster with.",
    ),
    Column::new("Endpoint", "", "Where the cluster's API server is."),
    Column::new("Accepted", "", "Whether the hub accepts the cluster."),
    Column::new("Labels", "", "Labels of the cluster."),
    Column::wide(
        "Creation_Timestamp",
        "When the object that makes the cluster known was created.",
        10,
    )
    .of_times(),
];

fn created(cluster: &VirtualCluster) -> Option<Timestamp> {
    let created = cluster.metadata.creation_timestamp.as_ref();
    created.map(|created| created.0)
}

fn labels(cluster: &VirtualCluster) -> String {
    let labels = cluster.metadata.labels.iter().flatten();
    let labels: Vec<_> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(",")
}

#[cfg(test)]
mod tests;
