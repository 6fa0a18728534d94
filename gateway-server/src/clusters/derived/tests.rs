use crds::{
    authentication,
    cluster::{ClientConfig, ManagedCluster, ManagedClusterSpec},
    cluster_core::secret::HOST_TRUST_ANNOTATION,
};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};

use super::*;
use tokio_util::task::TaskTracker;

use crate::{
    clusters::{
        Clusters,
        accepted_cluster::Registration,
        inventory::{ManagedClusters, Tokens},
        secret::tests::authority,
    },
    metrics::Metrics,
};

/// A `ManagedCluster` that the hub has accepted, with addresses.
pub(in crate::clusters) fn managed_cluster(name: &str, urls: &[&str]) -> ManagedCluster {
    let configs = urls.iter().map(|url| ClientConfig {
        url: (*url).to_owned(),
        ca_bundle: None,
    });
    let mut cluster = ManagedCluster::new(
        name,
        ManagedClusterSpec {
            managed_cluster_client_configs: configs.collect(),
            hub_accepts_client: true,
            ..ManagedClusterSpec::default()
        },
    );
    cluster.metadata.labels = Some([("env".to_owned(), "prod".to_owned())].into());
    cluster
}

fn accepted(cluster: &ManagedCluster) -> Option<AcceptedCluster> {
    Registration::read(cluster)?.accepted()
}

/// The Secret that a `ManagedServiceAccount` of the cluster keeps its token in.
pub(in crate::clusters) fn account_secret(cluster: &str, token: &str) -> Secret {
    let data = [("token", token.to_owned()), ("ca.crt", authority())];
    Secret {
        metadata: ObjectMeta {
            name: Some("cluster-gateway".to_owned()),
            namespace: Some(cluster.to_owned()),
            labels: Some([(authentication::LABEL.to_owned(), "true".to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some(
            data.into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
                .collect(),
        ),
        ..Secret::default()
    }
}

impl Clusters {
    /// Derives a cluster that is at an address and has a token; again, to give it another token.
    pub(crate) fn derive_at(&self, name: &str, url: &str, authority: &str, token: &str) {
        let mut secret = account_secret(name, token);
        let data = secret.data.get_or_insert_default();
        let authority = ByteString(authority.as_bytes().to_vec());
        data.insert("ca.crt".to_owned(), authority);
        self.apply::<ManagedClusters>(&managed_cluster(name, &[url]));
        self.apply::<Tokens>(&secret);
    }

    /// None, yet, and derived ones are reached at their addresses.
    pub(crate) fn at_addresses() -> Self {
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let derivation = Some(derivation(Egress::Direct));
        Self::new(derivation, metrics, Tunnels::new(0, 0), TaskTracker::new())
    }
}

pub(in crate::clusters) fn derivation(egress: Egress) -> Derivation {
    Derivation {
        account: "cluster-gateway".parse().unwrap(),
        egress,
        allowed: ["0.0.0.0/0", "127.0.0.0/8", "::1"]
            .map(|it| it.parse().unwrap())
            .into(),
    }
}

fn derived(cluster: &ManagedCluster, secret: Option<&Secret>, egress: Egress) -> Definition {
    let name = "managed1".parse().unwrap();
    let accepted = accepted(cluster).unwrap();
    let token = secret.map(Token::read);
    let (derivation, tunnels) = (derivation(egress), Tunnels::new(0, 0));
    derive(&name, &accepted, token.as_ref(), &derivation, &tunnels)
}

#[test]
fn only_accepted_clusters_that_stay_count() {
    let accepted = managed_cluster("managed1", &[]);
    assert!(Registration::read(&accepted).unwrap().accepted().is_some());
    let mut denied = accepted.clone();
    denied.spec.hub_accepts_client = false;
    assert!(Registration::read(&denied).unwrap().accepted().is_none());
    let mut leaving = accepted;
    leaving.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    assert!(Registration::read(&leaving).is_none());
}

#[test]
fn egress_and_client_configs_make_the_places_and_the_type_shown() {
    let two = &["https://10.0.0.1:6443", "https://10.0.0.2:6443"][..];
    let table = [
        (Egress::Auto, two, (true, 2), EndpointType::Const),
        (Egress::Auto, &[], (true, 0), EndpointType::ClusterProxy),
        (Egress::Tunnel, two, (true, 0), EndpointType::ClusterProxy),
        (Egress::Direct, two, (false, 2), EndpointType::Const),
    ];
    let secret = account_secret("managed1", "hunter2\n");
    for (egress, urls, wanted, shown) in table {
        let cluster = managed_cluster("managed1", urls);
        let definition = derived(&cluster, Some(&secret), egress);
        let means = definition.means.unwrap();
        let places = (means.places.tunnel.is_some(), means.places.direct.len());
        assert_eq!(places, wanted, "{egress:?} {urls:?}");
        assert_eq!(means.authorization.unwrap(), "Bearer hunter2");
        let object = definition.object.unwrap();
        let access = object.spec.access;
        assert_eq!(access.endpoint.endpoint_type, shown, "{egress:?} {urls:?}");
        assert_eq!(
            access.credential.credential_type,
            CredentialType::ServiceAccountToken
        );
        assert_eq!(object.metadata.labels.unwrap()["env"], "prod");
    }
}

#[test]
fn no_address_that_a_cluster_names_is_used_unless_one_is_allowed() {
    let cluster = managed_cluster("managed1", &["https://10.0.0.1:6443"]);
    let accepted = accepted(&cluster).unwrap();
    let token = Token::read(&account_secret("managed1", "t"));
    let definition = |egress| {
        let derivation = Derivation {
            allowed: [].into(),
            ..derivation(egress)
        };
        let name = "managed1".parse().unwrap();
        let tunnels = Tunnels::new(0, 0);
        derive(&name, &accepted, Some(&token), &derivation, &tunnels)
    };
    let auto = definition(Egress::Auto);
    assert!(auto.addresses.is_empty());
    let places = auto.means.unwrap().places;
    assert!(places.tunnel.is_some() && places.direct.is_empty());
    let refused = definition(Egress::Direct).means.unwrap_err();
    assert_eq!(refused, Unusable::NotAllowed);
}

#[test]
fn an_address_is_verified_with_its_own_bundle_or_else_the_tokens_ca() {
    let mut cluster = managed_cluster("managed1", &["https://lb.example/k/c", "https://10.0.0.1"]);
    let configs = &mut cluster.spec.managed_cluster_client_configs;
    configs[0].ca_bundle = Some(ByteString(authority().into_bytes()));
    configs[1].ca_bundle = Some(ByteString(Vec::new()));
    let secret = account_secret("managed1", "t");
    let means = derived(&cluster, Some(&secret), Egress::Auto)
        .means
        .unwrap();
    let trust = |target: &Target| target.tls.clone().unwrap().trust;
    let direct = &means.places.direct;
    let tunnel = trust(means.places.tunnel.as_ref().unwrap());
    assert_ne!(trust(&direct[0]), tunnel);
    assert_eq!(trust(&direct[1]), tunnel);
    assert_eq!(direct[0].base_path, "/k/c");
    assert_eq!(direct[1].authority, "10.0.0.1");

    // As at a cloud's public endpoint, if the cluster says so.
    let asked = (HOST_TRUST_ANNOTATION.to_owned(), "true".to_owned());
    cluster.metadata.annotations = Some([asked].into());
    let means = derived(&cluster, Some(&secret), Egress::Auto)
        .means
        .unwrap();
    let direct = &means.places.direct;
    assert!(matches!(trust(&direct[0]), Trust::Authorities(_)));
    assert_eq!(trust(&direct[1]), Trust::Host);
    assert_eq!(trust(means.places.tunnel.as_ref().unwrap()), tunnel);
}

#[test]
fn one_unusable_client_config_does_not_spoil_the_others() {
    let cluster = managed_cluster("managed1", &["http://a", "https://10.0.0.1:6443"]);
    let secret = account_secret("managed1", "t");
    let means = derived(&cluster, Some(&secret), Egress::Direct)
        .means
        .unwrap();
    assert_eq!(means.places.direct.len(), 1);
}

#[test]
fn what_is_missing_is_said_with_where_it_has_to_be_and_no_secret() {
    let cluster = managed_cluster("managed1", &["https://10.0.0.1:6443"]);
    let mut no_ca = account_secret("managed1", "hunter2");
    no_ca.data.as_mut().unwrap().remove("ca.crt");
    let bad = account_secret("managed1", "hunter2\r\nx");
    let table = [
        (
            &cluster,
            None,
            "Secret managed1/cluster-gateway of ManagedServiceAccount managed1/cluster-gateway is missing",
        ),
        (&cluster, Some(account_secret("managed1", "")), "key token"),
        (&cluster, Some(no_ca), "key ca.crt is missing"),
        (&cluster, Some(bad), "key token: it has characters"),
        (
            &managed_cluster("managed1", &[]),
            Some(account_secret("managed1", "hunter2")),
            "no usable client config: it has none",
        ),
        (
            &managed_cluster("managed1", &["http://a"]),
            Some(account_secret("managed1", "hunter2")),
            "client config \"http://a\": its scheme is http",
        ),
    ];
    for (cluster, secret, wanted) in table {
        let definition = derived(cluster, secret.as_ref(), Egress::Direct);
        let said = definition.means.unwrap_err().to_string();
        assert!(said.contains(wanted) && !said.contains("hunter2"), "{said}");
        let status = definition.object.unwrap().status.unwrap();
        assert!(
            !status.healthy && status.healthy_reason.contains(wanted),
            "{status:?}"
        );
    }
}

#[test]
fn shows_no_credential() {
    let cluster = managed_cluster("managed1", &["https://10.0.0.1:6443"]);
    let definition = derived(
        &cluster,
        Some(&account_secret("managed1", "hunter2")),
        Egress::Auto,
    );
    let shown = serde_json::to_string(&definition.object).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!format!("{definition:?}").contains("hunter2"));
}

#[test]
fn what_a_cluster_reports_of_itself_is_shown() {
    let mut cluster = managed_cluster("managed1", &["https://10.0.0.9:6443"]);
    let status = serde_json::json!({
        "version": {"kubernetes": "v1.33.1"},
        "clusterClaims": [
            {"name": "product.open-cluster-management.io", "value": "K3S"},
            {"name": "platform.open-cluster-management.io", "value": "Other"},
        ],
    });
    cluster.status = Some(serde_json::from_value(status).unwrap());
    let definition = derived(&cluster, None, Egress::Direct);
    assert_eq!(definition.version, "v1.33.1");
    assert_eq!(definition.object.unwrap().spec.provider, "K3S");
}
