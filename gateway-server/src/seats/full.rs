//! A limit that is reached, and whose limit it is.

use std::time::Duration;

/// A limit is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Full {
    #[error("you have {0} requests open there, which is the limit for each user")]
    RequestsOfUser(usize),
    #[error("{0} watches and logs are open there, which is the limit for all users together")]
    LongRequests(usize),
    #[error(
        "you have {0} exec, attach, port-forward or other upgraded connections open there, which is \
         the limit for each user"
    )]
    UpgradesOfUser(usize),
    #[error(
        "{0} exec, attach, port-forward or other upgraded connections are open there, which is the \
         limit for all users together"
    )]
    Upgrades(usize),
    #[error(
        "it works on {most} requests of yours, which is the limit for each user, and this one has \
         waited {} s", waited.as_secs()
    )]
    ShortRequestsOfUser { most: usize, waited: Duration },
    #[error(
        "it works on {most} requests, which is the limit for all users together, and this one has \
         waited {} s", waited.as_secs()
    )]
    ShortRequests { most: usize, waited: Duration },
    #[error(
        "the gateway has {most} requests under way to all clusters, which is its limit, and this one \
         has waited {} s", waited.as_secs()
    )]
    ShortRequestsTotal { most: usize, waited: Duration },
    #[error("{0} requests of yours wait for it, which is the limit for each user")]
    QueueOfUser(usize),
    #[error("{0} requests wait at the gateway, which is its limit")]
    Queue(usize),
    #[error("you may begin {per_second} requests a second there, which is the limit for each user")]
    RateOfUser { per_second: u32, wait: Duration },
    #[error(
        "{per_second} requests a second may begin there, which is the limit for all users together"
    )]
    Rate { per_second: u32, wait: Duration },
}

/// Whose limit is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Whose {
    /// The caller's own: others are not concerned.
    Caller,
    /// That of all callers together.
    Everybody,
}

impl Full {
    /// The limit, as a metric label.
    pub(crate) fn limit(self) -> &'static str {
        match self {
            Self::RequestsOfUser(_) => "requests_per_user",
            Self::LongRequests(_) => "long_requests",
            Self::UpgradesOfUser(_) => "upgrades_per_user",
            Self::Upgrades(_) => "upgrades",
            Self::ShortRequestsOfUser { .. } => "short_requests_per_user",
            Self::ShortRequests { .. } => "short_requests",
            Self::ShortRequestsTotal { .. } => "short_requests_total",
            Self::QueueOfUser(_) => "queued_requests_per_user",
            Self::Queue(_) => "queued_requests",
            Self::RateOfUser { .. } => "requests_per_second_per_user",
            Self::Rate { .. } => "requests_per_second",
        }
    }

    /// Where it is set.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::RequestsOfUser(_) => "spec.limits.requestsPerUser",
            Self::LongRequests(_) => "spec.limits.longRequests",
            Self::UpgradesOfUser(_) => "spec.limits.upgradesPerUser",
            Self::Upgrades(_) => "spec.limits.upgrades",
            Self::ShortRequestsOfUser { .. } => "spec.limits.shortRequestsPerUser",
            Self::ShortRequests { .. } => "spec.limits.shortRequests",
            Self::ShortRequestsTotal { .. } => "spec.limits.shortRequestsTotal",
            Self::QueueOfUser(_) => "spec.limits.queuedRequestsPerUser",
            Self::Queue(_) => "spec.limits.queuedRequests",
            Self::RateOfUser { .. } => "spec.limits.requestsPerSecondPerUser",
            Self::Rate { .. } => "spec.limits.requestsPerSecond",
        }
    }

    /// Whose limit it is. Those of streams that last are told to each caller as its own, because what
    /// helps is that callers close some.
    pub(crate) fn whose(self) -> Whose {
        match self {
            Self::RequestsOfUser(_)
            | Self::LongRequests(_)
            | Self::UpgradesOfUser(_)
            | Self::Upgrades(_)
            | Self::ShortRequestsOfUser { .. }
            | Self::QueueOfUser(_)
            | Self::RateOfUser { .. } => Whose::Caller,
            Self::ShortRequests { .. }
            | Self::ShortRequestsTotal { .. }
            | Self::Queue(_)
            | Self::Rate { .. } => Whose::Everybody,
        }
    }

    /// Whether it limits short requests, which end by themselves.
    pub(crate) fn is_of_short_requests(self) -> bool {
        !matches!(
            self,
            Self::RequestsOfUser(_)
                | Self::LongRequests(_)
                | Self::UpgradesOfUser(_)
                | Self::Upgrades(_)
        )
    }

    /// After how many seconds it makes sense to try again.
    pub(crate) fn retry_after(self) -> i32 {
        match self {
            Self::RateOfUser { wait, .. } | Self::Rate { wait, .. } => {
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                i32::try_from(seconds).unwrap_or(i32::MAX)
            }
            _ => 1,
        }
    }
}
