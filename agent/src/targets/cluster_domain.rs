//! The DNS domain of the cluster. With it, a service's name is absolute, so that the resolver tries
//! no search domain before it. Otherwise whoever owns a name below a search domain, such as a
//! namespace called `svc`, could take the place of a listed service.

use std::fs;

/// What the kubelet writes for a pod.
const RESOLVER: &str = "/etc/resolv.conf";
/// The domain of most clusters.
const USUAL: &str = "cluster.local";

/// The domain of the cluster that this process runs in.
pub(crate) fn find() -> String {
    let resolver = fs::read_to_string(RESOLVER).unwrap_or_default();
    of(&resolver).unwrap_or(USUAL).to_owned()
}

/// A kubelet lists `NAMESPACE.svc.DOMAIN`, `svc.DOMAIN` and `DOMAIN` to search.
fn of(resolver: &str) -> Option<&str> {
    // The last line counts (resolv.conf(5)).
    let mut searches = resolver
        .lines()
        .rev()
        .filter_map(|line| line.strip_prefix("search"));
    let mut domains = searches.next()?.split_ascii_whitespace();
    let domain = domains.find_map(|domain| domain.strip_prefix("svc."))?;
    Some(domain.trim_end_matches('.'))
}

/// The name to resolve for `host`. Only names of services are known to be the cluster's.
pub(super) fn absolute(host: &str, domain: &str) -> String {
    if host.rsplit('.').next() == Some("svc") {
        format!("{host}.{domain}.")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_finds_the_domain_of_its_cluster() {
        let pod = "search agents.svc.example.org svc.example.org example.org corp.example\n\
                   nameserver 10.96.0.10\noptions ndots:5\n";
        assert_eq!(of(pod), Some("example.org"));
        for other in ["", "nameserver 192.0.2.1\n", "search corp.example\n"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_service_is_resolved_by_its_whole_name() {
        let name = absolute("front.web.svc", "cluster.local");
        assert_eq!(name, "front.web.svc.cluster.local.");
        for other in ["192.0.2.1", "api.example.org", "localhost", "2001:db8::1"] {
            assert_eq!(absolute(other, "cluster.local"), other);
        }
    }
}
