//! What its source says of a cluster that only `virtualclusters` shows. Pure.

use crds::cluster_core::{ALIAS_ANNOTATION, EndpointType, PublicUrl, secret::ENDPOINT_TYPE_LABEL};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubernetes::words::clipped;

use crate::args::Egress;

/// What is shown of a cluster here and not as `ClusterGateway`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Listing {
    /// Another name, for people.
    pub(super) alias: String,
    /// The URL or the type of its endpoint; `None` if its source names none.
    pub(super) endpoint: Option<PublicUrl>,
}

impl Listing {
    /// Of a Secret of the manual mode. Its label says how the cluster is reached; without one, its URL
    /// does.
    pub(super) fn of_secret(secret: &ObjectMeta, url: Option<&str>) -> Self {
        let labels = secret.labels.as_ref();
        let label = labels.and_then(|labels| labels.get(ENDPOINT_TYPE_LABEL));
        let endpoint = label.map(String::as_str).or(url);
        Self {
            alias: alias(secret),
            endpoint: endpoint.map(Into::into),
        }
    }

    /// Of a cluster that is reached by its account. It does not change with the connection in use, so no
    /// watch of `virtualclusters` hears of that.
    pub(super) fn of_account(alias: &str, egress: Egress) -> Self {
        let endpoint = match egress {
            Egress::Auto | Egress::Tunnel => EndpointType::ClusterProxy,
            Egress::Direct => EndpointType::Const,
        };
        Self {
            alias: alias.to_owned(),
            endpoint: Some(endpoint.as_str().into()),
        }
    }
}

/// The alias that its source gives it. People print it to terminals, so it is short and plain.
pub(super) fn alias(source: &ObjectMeta) -> String {
    let annotations = source.annotations.as_ref();
    let alias = annotations.and_then(|all| all.get(ALIAS_ANNOTATION));
    alias.map_or_else(String::new, |alias| clipped(alias))
}
