//! A range of IP addresses, as flags name it: `10.0.0.0/8`, `2001:db8::/32` or a single address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A range of IP addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IpRange {
    network: IpAddr,
    /// How many leading bits all its addresses have in common.
    prefix: u8,
}

/// Why a text is not an [`IpRange`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IpRangeError {
    /// It has another form.
    #[error("a range is ADDRESS/BITS, such as 10.0.0.0/8, or an IP address")]
    Form,
    /// The network has bits that the prefix leaves out.
    #[error("the address has bits behind the prefix; did you mean {0}?")]
    Host(IpRange),
}

impl IpRange {
    /// A range of IPv4. The address must have no bits behind the prefix.
    pub(crate) const fn v4(address: [u8; 4], prefix: u8) -> Self {
        let [a, b, c, d] = address;
        let network = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        Self { network, prefix }
    }

    /// The same of IPv6, by the first 16 bits and the last.
    pub(crate) const fn v6(first: u16, last: u16, prefix: u8) -> Self {
        let network = IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last));
        Self { network, prefix }
    }

    /// Whether an address is in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == Some(self.network)
    }

    /// Whether all addresses of another range are in it.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.network)
    }
}

/// The address with only its leading bits; `None` if it has fewer.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let rest = 32_u32.checked_sub(prefix)?;
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V4((v4.to_bits() & mask).into()))
        }
        IpAddr::V6(v6) => {
            let rest = 128_u32.checked_sub(prefix)?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V6((v6.to_bits() & mask).into()))
        }
    }
}

impl FromStr for IpRange {
    type Err = IpRangeError;

    fn from_str(text: &str) -> Result<Self, IpRangeError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, prefix.parse().ok()),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpRangeError::Form)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match (prefix, text.contains('/')) {
            (Some(prefix), _) => prefix,
            (None, false) => longest,
            (None, true) => return Err(IpRangeError::Form),
        };
        let network = masked(address, prefix).ok_or(IpRangeError::Form)?;
        let range = Self { network, prefix };
        if network == address {
            Ok(range)
        } else {
            Err(IpRangeError::Host(range))
        }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_addresses_and_no_others() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "::ffff:10.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
        ] {
            let range: IpRange = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(
                !range.contains(outside.parse().unwrap()),
                "{range} {outside}"
            );
        }
    }

    #[test]
    fn anything_else_is_no_range() {
        for text in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "example.com",
            "::/129",
        ] {
            assert_eq!(text.parse::<IpRange>(), Err(IpRangeError::Form), "{text}");
        }
        let error = "10.1.2.3/8".parse::<IpRange>().unwrap_err();
        assert!(error.to_string().ends_with("did you mean 10.0.0.0/8?"));
    }
}
