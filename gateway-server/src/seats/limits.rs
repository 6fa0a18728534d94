//! How much callers may have under way. Values only.

use std::time::Duration;

use super::rate::Rate;

/// How much callers may have under way. Unless it says otherwise, each number holds for one managed
/// cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Open requests of one caller, upgrades apart, and those that wait included.
    pub requests_per_user: usize,
    /// Of all callers, those that last.
    pub long_requests: usize,
    /// Of one caller, those that need a connection of their own.
    pub upgrades_per_user: usize,
    /// Of all callers, those that need a connection of their own.
    pub upgrades: usize,
    /// Short requests of one caller that the cluster works on, which is until its answer begins.
    pub short_requests_per_user: usize,
    /// The same of all callers.
    pub short_requests: usize,
    /// The same of all callers at all managed clusters.
    pub short_requests_total: usize,
    /// Short requests of one caller that wait for a place.
    pub queued_requests_per_user: usize,
    /// The same of all callers at all managed clusters.
    pub queued_requests: usize,
    /// How long one of them waits.
    pub queue_timeout: Duration,
    /// How fast short requests of one caller may begin; any speed if there is none.
    pub rate_per_user: Option<Rate>,
    /// The same of all callers.
    pub rate: Option<Rate>,
}
