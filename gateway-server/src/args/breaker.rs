//! The flags of breakers, which leave a cluster alone that cannot be connected to.

use std::{num::NonZeroU32, time::Duration};

use clap::Args;

use crate::breaker::Tripping;

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct BreakerArgs {
    /// Number of attempts in a row to connect to a managed cluster that may fail within a minute.
    /// After that, requests to it are refused at once, and one at a time is let through as a probe.
    /// 0 turns this off.
    #[arg(
        long,
        env = "GATEWAY_BREAKER_FAILURES",
        value_name = "COUNT",
        default_value_t = 3
    )]
    breaker_failures: u32,
    /// Longest pause in seconds between two probes. The first one is a second, and each further one
    /// twice as long.
    #[arg(
        long,
        env = "GATEWAY_BREAKER_PAUSE",
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    breaker_pause: u64,
}

impl BreakerArgs {
    pub(super) fn settings(self) -> Option<Tripping> {
        let Self {
            breaker_failures,
            breaker_pause,
        } = self;
        Some(Tripping {
            failures: NonZeroU32::new(breaker_failures)?,
            longest_pause: Duration::from_secs(breaker_pause),
        })
    }
}
