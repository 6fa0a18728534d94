//! The kinds of objects that an account has, and a value for each of them.

use std::ops::{Index, IndexMut};

/// A kind of object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Account,
    Secret,
    ServiceAccount,
}

impl Kind {
    /// Every kind.
    pub(super) const ALL: [Self; 3] = [Self::Account, Self::Secret, Self::ServiceAccount];

    /// Its objects, in the words of logs.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Account => "the ManagedServiceAccounts on the hub",
            Self::Secret => "their Secrets on the hub",
            Self::ServiceAccount => "the ServiceAccounts on the managed cluster",
        }
    }

    /// True if its objects are on the managed cluster, false if they are on the hub.
    pub(super) fn is_of_spoke(self) -> bool {
        self == Self::ServiceAccount
    }
}

/// One value for each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByKind<T> {
    account: T,
    secret: T,
    service_account: T,
}

impl<T> Index<Kind> for ByKind<T> {
    type Output = T;

    fn index(&self, kind: Kind) -> &T {
        match kind {
            Kind::Account => &self.account,
            Kind::Secret => &self.secret,
            Kind::ServiceAccount => &self.service_account,
        }
    }
}

impl<T> IndexMut<Kind> for ByKind<T> {
    fn index_mut(&mut self, kind: Kind) -> &mut T {
        match kind {
            Kind::Account => &mut self.account,
            Kind::Secret => &mut self.secret,
            Kind::ServiceAccount => &mut self.service_account,
        }
    }
}
