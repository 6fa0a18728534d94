//! What the gateway's account may do on each managed cluster on which nobody acts as it. There it
//! needs no right but to impersonate callers, and whatever else it may do is told to administrators.

mod excess;
mod known;
mod review;
mod reviewer;

pub(crate) use self::{known::AccountRights, reviewer::keep_reviewing};
