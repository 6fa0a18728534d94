//! Lists and tables of `virtualclusters`, from cluster-gateway's own unit tests where these say more.

use crds::cluster_core::{CONTROL_PLANE_LABEL, VirtualCredentialType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::{
    accept::{MetaVersion, ObjectFormat},
    objects::{
        list, single,
        tests::{CREATED, body, rendering},
    },
    options::Options,
    page::Page,
};

fn cluster(name: &str, credential_type: VirtualCredentialType, age: i64) -> VirtualCluster {
    let spec = VirtualClusterSpec {
        alias: format!("{name}-alias"),
        accepted: true,
        endpoint: "https://10.0.0.1:6443".into(),
        credential_type,
    };
    let mut cluster = VirtualCluster::new(name, spec);
    let created = Timestamp::from_second(CREATED - age).unwrap();
    cluster.metadata.creation_timestamp = Some(Time(created));
    let labels = [("key", "value"), (CONTROL_PLANE_LABEL, "false")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    cluster.metadata.labels = Some(labels.into());
    cluster.metadata.resource_version = Some("41".to_owned());
    cluster
}

fn local() -> VirtualCluster {
    let mut local = cluster(LOCAL_CLUSTER, VirtualCredentialType::Internal, 0);
    local.metadata.creation_timestamp = None;
    local
}

fn names(page: &Page<'_, VirtualCluster>) -> Vec<String> {
    let names = page.objects.iter().map(|it| name_of(*it).to_owned());
    names.collect()
}

/// In the order of names, as lists are made from.
fn all() -> [VirtualCluster; 5] {
    use VirtualCredentialType::{ManagedCluster, X509Certificate};
    [
        cluster("a", X509Certificate, 30),
        cluster("b", ManagedCluster, 10),
        cluster("c", X509Certificate, 10),
        local(),
        cluster("z", X509Certificate, 1),
    ]
}

#[test]
fn the_hub_is_first_and_the_newest_cluster_next() {
    let all = all();
    let page = Page::of(all.iter(), 40, &Options::default());
    assert_eq!(names(&page), ["local", "z", "b", "c", "a"]);
}

#[test]
fn a_list_in_parts_has_the_same_order() {
    let all = all();
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let options = Options::parse(Some(&query)).unwrap();
        let page = Page::of(all.iter(), 40, &options);
        seen.extend(names(&page));
        match page.metadata().rest {
            Some(token) => query = format!("limit=2&continue={token}"),
            None => break,
        }
    }
    assert_eq!(seen, ["local", "z", "b", "c", "a"]);
}

#[test]
fn a_table_has_the_columns_of_cluster_gateway() {
    let table = rendering(ObjectFormat::Table(MetaVersion::V1));
    let table = body(&single(
        &cluster("test-cluster", VirtualCredentialType::X509Certificate, 0),
        table,
    ));
    let columns = table["columnDefinitions"].as_array().unwrap();
    let columns: Vec<_> = columns
        .iter()
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["priority"].as_u64().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("Name", 0),
        ("Alias", 0),
        ("Credential_Type", 0),
        ("Endpoint", 0),
        ("Accepted", 0),
        ("Labels", 0),
        ("Creation_Timestamp", 10),
    ];
    assert_eq!(columns, wanted);
    assert_eq!(
        table["rows"][0]["cells"],
        json!([
            "test-cluster",
            "test-cluster-alias",
            "X509Certificate",
            "https://10.0.0.1:6443",
            "true",
            "cluster.core.oam.dev/control-plane=false,key=value",
            "2024-05-01T10:00:00Z",
        ])
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[test]
fn an_object_and_a_list_say_their_kind() {
    let json = rendering(ObjectFormat::Json);
    let object = body(&single(&local(), json));
    assert_eq!(object["kind"], "VirtualCluster");
    assert_eq!(object["apiVersion"], "cluster.core.oam.dev/v1alpha1");
    assert_eq!(object["spec"]["credential-type"], "Internal");
    assert_eq!(object.get("status"), None);
    let whole = crate::api::rendering::ListMetadata::whole("42");
    let listed = body(&list([&local()], whole, json));
    assert_eq!(listed["kind"], "VirtualClusterList");
    assert_eq!(listed["items"][0], object);
}
