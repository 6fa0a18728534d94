//! The flags that limit what callers may have under way. Those with a rate are off with 0.

use std::{num::NonZeroU32, time::Duration};

use clap::Args;

use crate::seats::{Limits, Rate};

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct LimitArgs {
    /// Maximum number of requests that one user may have open at one managed cluster, watches, logs
    /// and waiting requests included.
    #[arg(
        long,
        env = "GATEWAY_MAX_REQUESTS_PER_USER",
        value_name = "COUNT",
        default_value_t = 1000
    )]
    max_requests_per_user: usize,
    /// Maximum number of watches and logs that all users together may have open at one managed
    /// cluster. The gateway can have 3200 requests open at one cluster, so this leaves room for
    /// short ones.
    #[arg(
        long,
        env = "GATEWAY_MAX_LONG_REQUESTS",
        value_name = "COUNT",
        default_value_t = 2400
    )]
    max_long_requests: usize,
    /// Maximum number of upgraded connections (exec, attach, cp, port-forward, watches over a
    /// WebSocket) and
    /// requests to exposed services that one user may have open at one managed cluster.
    #[arg(
        long,
        env = "GATEWAY_MAX_UPGRADES_PER_USER",
        value_name = "COUNT",
        default_value_t = 32
    )]
    max_upgrades_per_user: usize,
    /// Maximum number of them that all users together may have open at one managed cluster. Two
    /// thirds of --tunnel-memory-per-cluster, at 640 KiB for each, limit them too.
    #[arg(
        long,
        env = "GATEWAY_MAX_UPGRADES",
        value_name = "COUNT",
        default_value_t = 256
    )]
    max_upgrades: usize,
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    rates: RateArgs,
}

/// Which short requests wait for their turn.
#[derive(Args, Clone, Copy, Debug)]
struct QueueArgs {
    /// Maximum number of short requests of one user that a managed cluster works on, each until its
    /// response begins. More of them wait. Short requests are all but watches, logs, upgrades and
    /// requests to services.
    #[arg(
        long,
        env = "GATEWAY_MAX_SHORT_REQUESTS_PER_USER",
        value_name = "COUNT",
        default_value_t = 200,
        value_parser = at_least_one
    )]
    max_short_requests_per_user: usize,
    /// Maximum number of short requests of all users together that a managed cluster works on. More
    /// of them wait, and users take turns.
    #[arg(
        long,
        env = "GATEWAY_MAX_SHORT_REQUESTS",
        value_name = "COUNT",
        default_value_t = 400,
        value_parser = at_least_one
    )]
    max_short_requests: usize,
    /// Maximum number of short requests of all users that all managed clusters together work on.
    /// More of them wait, and users of clusters take turns.
    #[arg(
        long,
        env = "GATEWAY_MAX_SHORT_REQUESTS_TOTAL",
        value_name = "COUNT",
        default_value_t = 4000,
        value_parser = at_least_one
    )]
    max_short_requests_total: usize,
    /// Maximum number of short requests of one user that wait at one managed cluster. With 0, none
    /// waits there.
    #[arg(
        long,
        env = "GATEWAY_MAX_QUEUED_REQUESTS_PER_USER",
        value_name = "COUNT",
        default_value_t = 800
    )]
    max_queued_requests_per_user: usize,
    /// Maximum number of short requests that wait in all.
    #[arg(
        long,
        env = "GATEWAY_MAX_QUEUED_REQUESTS",
        value_name = "COUNT",
        default_value_t = 8000
    )]
    max_queued_requests: usize,
    /// Seconds that a short request waits for its turn before it is refused.
    #[arg(
        long,
        env = "GATEWAY_QUEUE_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 15,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    queue_timeout: u64,
}

/// How fast short requests may begin.
#[derive(Args, Clone, Copy, Debug)]
struct RateArgs {
    /// Number of short requests that one user may begin in a second at one managed cluster, on
    /// average. 0 turns the limit off.
    #[arg(
        long,
        env = "GATEWAY_REQUESTS_PER_SECOND_PER_USER",
        value_name = "COUNT",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(..=1_000_000)
    )]
    requests_per_second_per_user: u32,
    /// Number of short requests that one user may begin at once, if it has begun none for some time.
    #[arg(
        long,
        env = "GATEWAY_REQUEST_BURST_PER_USER",
        value_name = "COUNT",
        default_value = "20000"
    )]
    request_burst_per_user: NonZeroU32,
    /// Number of short requests that all users together may begin in a second at one managed cluster,
    /// on average. 0 turns the limit off.
    #[arg(
        long,
        env = "GATEWAY_REQUESTS_PER_SECOND",
        value_name = "COUNT",
        default_value_t = 20_000,
        value_parser = clap::value_parser!(u32).range(..=1_000_000)
    )]
    requests_per_second: u32,
    /// Number of short requests that all users together may begin at once, if none was begun for some
    /// time.
    #[arg(
        long,
        env = "GATEWAY_REQUEST_BURST",
        value_name = "COUNT",
        default_value = "40000"
    )]
    request_burst: NonZeroU32,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(fault) => Err(fault.to_string()),
    }
}

/// No rate if it is 0.
fn rate(per_second: u32, burst: NonZeroU32) -> Option<Rate> {
    NonZeroU32::new(per_second).map(|per_second| Rate::new(per_second, burst))
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        let LimitArgs {
            max_requests_per_user,
            max_long_requests,
            max_upgrades_per_user,
            max_upgrades,
            queue:
                QueueArgs {
                    max_short_requests_per_user,
                    max_short_requests,
                    max_short_requests_total,
                    max_queued_requests_per_user,
                    max_queued_requests,
                    queue_timeout,
                },
            rates:
                RateArgs {
                    requests_per_second_per_user,
                    request_burst_per_user,
                    requests_per_second,
                    request_burst,
                },
        } = args;
        Self {
            requests_per_user: max_requests_per_user,
            long_requests: max_long_requests,
            upgrades_per_user: max_upgrades_per_user,
            upgrades: max_upgrades,
            short_requests_per_user: max_short_requests_per_user,
            short_requests: max_short_requests,
            short_requests_total: max_short_requests_total,
            queued_requests_per_user: max_queued_requests_per_user,
            queued_requests: max_queued_requests,
            queue_timeout: Duration::from_secs(queue_timeout),
            rate_per_user: rate(requests_per_second_per_user, request_burst_per_user),
            rate: rate(requests_per_second, request_burst),
        }
    }
}
