//! The path under which the hub's API server serves a managed cluster.

use crds::cluster_core;

/// The path of a managed cluster, relative to the hub's address.
pub(crate) fn proxy_path(cluster: &str) -> String {
    format!("{}{cluster}/proxy", gateways_path())
}

/// The hub's address, if `server` is the address of a managed cluster behind it. Otherwise `server`
/// itself.
pub(crate) fn without_proxy_path(server: &str) -> &str {
    let server = server.trim_end_matches('/');
    let hub = server.split_once(&gateways_path()).filter(|(_, rest)| {
        rest.split_once('/')
            .is_some_and(|(_, rest)| rest == "proxy")
    });
    hub.map_or(server, |(hub, _)| hub)
}

fn gateways_path() -> String {
    format!("/apis/{}/clustergateways/", cluster_core::API_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_is_found_behind_the_address_of_a_managed_cluster() {
        for (server, hub) in [
            ("https://hub:6443", "https://hub:6443"),
            ("https://hub:6443/k8s/", "https://hub:6443/k8s"),
            (
                "https://hub/k8s/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy",
                "https://hub/k8s",
            ),
            (
                "https://hub/apis/cluster.core.oam.dev/v1alpha1/clustergateways/a/proxy/",
                "https://hub",
            ),
            (
                "https://hub/apis/cluster.core.oam.dev/v1alpha1/clustergateways/a/services",
                "https://hub/apis/cluster.core.oam.dev/v1alpha1/clustergateways/a/services",
            ),
        ] {
            assert_eq!(without_proxy_path(server), hub);
        }
        assert_eq!(
            without_proxy_path(&format!("https://hub{}", proxy_path("managed1"))),
            "https://hub"
        );
    }
}
