//! The flags that limit what callers may have in flight at one managed cluster.

use clap::Args;

use crate::seats::Limits;

#[expect(clippy::struct_field_names, reason = "each is the name of a flag")]
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct LimitArgs {
    /// Maximum number of requests that one user may have open at one managed cluster, watches and
    /// logs included.
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
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        let LimitArgs {
            max_requests_per_user,
            max_long_requests,
            max_upgrades_per_user,
            max_upgrades,
        } = args;
        Self {
            requests_per_user: max_requests_per_user,
            long_requests: max_long_requests,
            upgrades_per_user: max_upgrades_per_user,
            upgrades: max_upgrades,
        }
    }
}
