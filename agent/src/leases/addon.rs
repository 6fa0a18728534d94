//! The add-ons whose leases the agent renews, as flags name them: `cluster-proxy=tunnel`, or
//! `namespace/cluster-proxy=tunnel`.

use std::str::FromStr;

/// An OCM add-on, and what must work for it to be available.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Addon {
    /// The namespace of its lease. `None` stands for the namespace of all leases.
    pub(crate) namespace: Option<String>,
    /// Its name, which is also the name of its lease.
    pub(crate) name: String,
    /// What must work.
    pub(crate) needs: Vec<Capability>,
}

/// A capability of the agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Capability {
    /// Requests reach this cluster through the tunnel.
    Tunnel,
    /// Tokens are issued, renewed and revoked.
    Tokens,
    /// The hub answers.
    Hub,
}

/// Why a lease flag is invalid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AddonError {
    /// The flag does not name an add-on and its capabilities.
    #[error("it must have the form [NAMESPACE/]ADDON=CAPABILITY[+CAPABILITY]")]
    Form,
    /// The name is not valid for a Lease or namespace.
    #[error("{0:?} is not a valid name of a Lease or namespace")]
    Name(String),
    /// The agent has no such capability.
    #[error("{0:?} is not one of tunnel, tokens and hub")]
    Capability(String),
}

impl FromStr for Addon {
    type Err = AddonError;

    fn from_str(text: &str) -> Result<Self, AddonError> {
        let (place, needs) = text.split_once('=').ok_or(AddonError::Form)?;
        let (namespace, name) = match place.split_once('/') {
            Some((namespace, name)) => (Some(label(namespace)?), label(name)?),
            None => (None, label(place)?),
        };
        let needs = needs.split('+').map(|need| match need {
            "tunnel" => Ok(Capability::Tunnel),
            "tokens" => Ok(Capability::Tokens),
            "hub" => Ok(Capability::Hub),
            other => Err(AddonError::Capability(other.to_owned())),
        });
        Ok(Self {
            namespace,
            name,
            needs: needs.collect::<Result<_, _>>()?,
        })
    }
}

fn label(name: &str) -> Result<String, AddonError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let named = !name.is_empty() && name.len() <= 63 && name.bytes().all(letter);
    if !named || name.starts_with('-') || name.ends_with('-') {
        return Err(AddonError::Name(name.to_owned()));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_an_addon_stands_for() {
        let addon: Addon = "cluster-gateway=tunnel+tokens".parse().unwrap();
        assert_eq!(addon.name, "cluster-gateway");
        assert_eq!(addon.needs, [Capability::Tunnel, Capability::Tokens]);
        assert_eq!(addon.namespace, None);
        let addon: Addon = "elsewhere/managed-serviceaccount=hub".parse().unwrap();
        assert_eq!(addon.namespace.as_deref(), Some("elsewhere"));
        assert_eq!(addon.name, "managed-serviceaccount");
        assert_eq!(addon.needs, [Capability::Hub]);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for (text, why) in [
            ("cluster-proxy", "form"),
            ("=tunnel", "name of a Lease"),
            ("../x=tunnel", "name of a Lease"),
            ("/x=tunnel", "name of a Lease"),
            ("a/b/x=tunnel", "name of a Lease"),
            ("-x=tunnel", "name of a Lease"),
            ("x=", "not one of"),
            ("x=tunnel+cake", "cake"),
        ] {
            let refused = text.parse::<Addon>().unwrap_err().to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
