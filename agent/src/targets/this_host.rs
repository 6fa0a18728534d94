//! The addresses of this host. Whoever controls the name of a listed service could point it at the
//! node or at the agent itself, and so at the kubelet or at a port that only this host may reach.

use std::net::{IpAddr, Ipv6Addr};

/// The addresses that a listed service must not have.
#[derive(Clone, Debug, Default)]
pub(super) struct ThisHost {
    /// The addresses of the node and of the agent's pod.
    own: Vec<IpAddr>,
}

impl ThisHost {
    pub(super) fn new(own: impl IntoIterator<Item = IpAddr>) -> Self {
        let own = own.into_iter().map(|it| it.to_canonical()).collect();
        Self { own }
    }

    /// Whether an address is this host's own, or one that no service has: loopback, link-local
    /// (which includes cloud metadata), unspecified, multicast.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.own.contains(&address) || is_special(address)
    }
}

fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            v6 == Ipv6Addr::LOCALHOST
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_addresses_of_this_host() {
        let own = ["192.0.2.7", "2001:db8::7"].map(|it| it.parse().unwrap());
        let this_host = ThisHost::new(own);
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "::ffff:127.0.0.1",
            "224.0.0.1",
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "2001:db8::7",
        ] {
            assert!(this_host.has(text.parse().unwrap()), "{text}");
        }
        for text in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1"] {
            assert!(!this_host.has(text.parse().unwrap()), "{text}");
        }
    }
}
