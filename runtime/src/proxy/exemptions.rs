//! The targets that use no proxy, by the rules of Go's `golang.org/x/net/http/httpproxy`, which everything
//! else in a cluster follows. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What `NO_PROXY` says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Exemptions(Vec<Exemption>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Exemption {
    /// `*`
    All,
    /// `10.0.0.0/8`
    Network(IpAddr, u8),
    /// `10.0.0.1`, `10.0.0.1:6443`, `[2001:db8::1]:6443`
    Address(IpAddr, Option<u16>),
    /// `corp.example` and all below it, and `.corp.example` for only those below it; `:PORT` may follow.
    Domain {
        /// With a dot before it.
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl Exemptions {
    /// Reads a list that is separated by commas or blanks. An entry that means nothing is passed
    /// over, as Go does it.
    pub fn read(text: &str) -> Self {
        let entries = text.split(|it: char| it == ',' || it.is_whitespace());
        Self(entries.filter_map(Exemption::read).collect())
    }

    /// The entries that no target can match, because they are no host, domain, address or range.
    pub fn meaningless(text: &str) -> Vec<&str> {
        let entries = text.split(|it: char| it == ',' || it.is_whitespace());
        let is_meaningless = |entry: &&str| {
            let entry = entry.to_ascii_lowercase();
            match Exemption::read(&entry) {
                None => !entry.is_empty(),
                Some(Exemption::Domain { suffix, .. }) => suffix.contains('/') || suffix == ".",
                Some(_) => false,
            }
        };
        entries.filter(is_meaningless).collect()
    }

    /// True if a target uses no proxy. That is so for this host itself, whatever the list says.
    pub fn cover(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|it| it.to_canonical());
        if host == "localhost" || address.is_some_and(|it| it.is_loopback()) {
            return true;
        }
        self.0.iter().any(|it| it.covers(&host, address, port))
    }
}

impl Exemption {
    fn read(entry: &str) -> Option<Self> {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some(network) = network(&entry) {
            return Some(network);
        }
        let (host, port) = split(&entry);
        let port = match port {
            None | Some("") => None,
            // A port that is none matches none.
            Some(port) => Some(port.parse().ok()?),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let host = host
            .strip_prefix('*')
            .filter(|it| it.starts_with('.'))
            .unwrap_or(host);
        let (suffix, itself) = match host.strip_prefix('.') {
            _ if host.is_empty() => return None,
            Some(_) => (host.to_owned(), false),
            None => (format!(".{host}"), true),
        };
        Some(Self::Domain {
            suffix,
            itself,
            port,
        })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let at = |only: Option<u16>| only.is_none_or(|only| only == port);
        match (self, address) {
            (Self::All, _) => true,
            (Self::Network(network, bits), Some(address)) => {
                masked(address, *bits) == masked(*network, *bits)
            }
            (Self::Address(own, only), Some(address)) => *own == address && at(*only),
            (
                Self::Domain {
                    suffix,
                    itself,
                    port,
                },
                None,
            ) => {
                let is_itself = *itself && host == &suffix[1..];
                (host.ends_with(suffix.as_str()) || is_itself) && at(*port)
            }
            _ => false,
        }
    }
}

/// The host, and what stands behind the last colon if there is one.
fn split(entry: &str) -> (&str, Option<&str>) {
    if let Some((host, port)) = entry.strip_prefix('[').and_then(|it| it.split_once(']')) {
        return (host, port.strip_prefix(':'));
    }
    match entry.split_once(':') {
        // An IPv6 address has more than one.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn network(entry: &str) -> Option<Exemption> {
    let (address, bits) = entry.split_once('/')?;
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse().ok()?);
    masked(address, bits)?;
    Some(Exemption::Network(address, bits))
}

/// The first bits of an address. `None` if it has fewer.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let rest = |width: u8| width.checked_sub(bits).map(u32::from);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(rest(32)?).unwrap_or(0);
            Some(Ipv4Addr::from_bits(v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(rest(128)?).unwrap_or(0);
            Some(Ipv6Addr::from_bits(v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests;
