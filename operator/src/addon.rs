//! The add-ons that the operator manages.

use std::fmt;

use crate::names::{ACCOUNTS, GATEWAY, PROXY};

/// One of the three add-ons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Addon {
    /// The add-on that carries the agent. It is the only one that has a registration.
    Gateway,
    /// The add-on that shows whether the cluster has a tunnel.
    Proxy,
    /// The add-on that shows whether tokens for the cluster are managed.
    Accounts,
}

impl Addon {
    /// All add-ons, the one that carries the agent first.
    pub(crate) const ALL: [Self; 3] = [Self::Gateway, Self::Proxy, Self::Accounts];

    /// The name of the add-on's objects.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => GATEWAY,
            Self::Proxy => PROXY,
            Self::Accounts => ACCOUNTS,
        }
    }
}

impl fmt::Display for Addon {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
