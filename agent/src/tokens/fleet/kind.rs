//! The kinds of objects that an account has, and a value for each of them.

use std::ops::{Index, IndexMut};

/// A kind of object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Account,
    Secret,
    ServiceAccount,
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
