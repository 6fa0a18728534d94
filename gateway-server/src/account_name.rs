//! The name of the `ManagedServiceAccount`s whose tokens the gateway uses.

use std::{fmt, str::FromStr, sync::Arc};

use crds::ClusterName;

/// Name of a `ManagedServiceAccount`: checked, so that it can stand in a field selector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccountName(Arc<str>);

/// A text that cannot be such a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a name of a ManagedServiceAccount: use lower-case letters, digits, '-' and '.' only")]
pub struct AccountNameError;

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        // Both are DNS-1123 subdomains.
        match name.parse::<ClusterName>() {
            Ok(_) => Ok(Self(name.into())),
            Err(_) => Err(AccountNameError),
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_pass() {
        for (text, wanted) in [
            ("cluster-gateway", true),
            ("a.b", true),
            ("", false),
            ("a,metadata.namespace=b", false),
            ("A", false),
        ] {
            assert_eq!(text.parse::<AccountName>().is_ok(), wanted, "{text}");
        }
    }
}
