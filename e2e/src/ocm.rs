//! OCM's side of an add-on, as far as somebody has to play its manager on the hub.

mod registration;

pub use registration::{AddonIdentity, Unfit};
