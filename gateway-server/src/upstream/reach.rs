//! Which addresses a place may have. A managed cluster itself can change the client configs of its
//! `ManagedCluster`, so without a limit it could make the gateway knock at any door of the hub's
//! network.

use std::{net::IpAddr, sync::Arc};

use crate::ip_range::IpRange;

/// This host, its link (which includes cloud metadata), and what is no address of one host.
const NEAR: [IpRange; 9] = [
    IpRange::v4([0, 0, 0, 0], 8),
    IpRange::v4([127, 0, 0, 0], 8),
    IpRange::v4([169, 254, 0, 0], 16),
    IpRange::v4([224, 0, 0, 0], 4),
    IpRange::v4([255, 255, 255, 255], 32),
    IpRange::v6(0, 0, 128),
    IpRange::v6(0, 1, 128),
    IpRange::v6(0xfe80, 0, 10),
    IpRange::v6(0xff00, 0, 8),
];

/// Which addresses a place may have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Reach {
    /// Any, because an administrator has written the place.
    #[default]
    Anywhere,
    /// Those in these ranges.
    Within(Arc<[IpRange]>),
}

impl Reach {
    /// Whether an address may be connected to. What is near is allowed only by a range of nothing
    /// else, so not by 0.0.0.0/0.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let Self::Within(ranges) = self else {
            return true;
        };
        let near = NEAR.iter().find(|near| near.contains(address));
        let names_it = |range: &IpRange| near.is_none_or(|near| near.covers(range));
        let mut ranges = ranges.iter().filter(|range| range.contains(address));
        ranges.any(names_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(ranges: &[&str]) -> Reach {
        Reach::Within(ranges.iter().map(|it| it.parse().unwrap()).collect())
    }

    #[test]
    fn only_what_is_allowed_is_reached_and_what_is_near_only_if_it_is_named() {
        let table: [(&[&str], &[&str], &[&str]); 4] = [
            (&[], &[], &["10.0.0.1", "127.0.0.1", "203.0.113.1"]),
            (
                &["10.0.0.0/8", "2001:db8::/32"],
                &["10.9.9.9", "2001:db8::1", "::ffff:10.0.0.1"],
                &["11.0.0.1", "127.0.0.1", "2001:db9::1"],
            ),
            (
                &["0.0.0.0/0", "::/0"],
                &["10.0.0.1", "203.0.113.1", "2001:db8::1"],
                &[
                    "127.0.0.1",
                    "0.0.0.0",
                    "169.254.169.254",
                    "224.0.0.1",
                    "::1",
                    "::",
                    "fe80::1",
                    "ff02::1",
                    "::ffff:127.0.0.1",
                ],
            ),
            (&["127.0.0.0/8"], &["127.0.0.1"], &["10.0.0.1", "::1"]),
        ];
        for (ranges, reached, refused) in table {
            let reach = within(ranges);
            for address in reached {
                assert!(
                    reach.allows(address.parse().unwrap()),
                    "{ranges:?} {address}"
                );
            }
            for address in refused {
                assert!(
                    !reach.allows(address.parse().unwrap()),
                    "{ranges:?} {address}"
                );
            }
        }
        assert!(Reach::Anywhere.allows("127.0.0.1".parse().unwrap()));
    }
}
