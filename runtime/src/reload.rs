//! Follows files that are replaced while the process runs. cert-manager, kubelet and OCM rotate
//! certificates and bundles like that.

use std::{fmt::Display, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::news::News;

/// How often the files are read. They are small, and polling sees what inotify misses when the
/// symlinks of a mounted Secret are swapped.
const POLL: Duration = Duration::from_secs(2);

/// Reloads the files of `what` again and again, for as long as it is polled. `reload` returns true
/// if they have changed and are in use now. If it fails, what was loaded last stays in use, because
/// a rotation writes one file after the other.
pub async fn follow<E: Display>(what: &str, mut reload: impl FnMut() -> Result<bool, E>) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut news = News::default();
    loop {
        ticks.tick().await;
        let fault = match reload() {
            Ok(has_changed) => {
                if has_changed {
                    info!("{what} reloaded");
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = news.of(fault) {
            warn!(
                error,
                "{what} not reloaded; the last good content stays in use"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn files_are_read_every_two_seconds_whatever_they_hold() {
        let (begin, mut reads) = (Instant::now(), Vec::new());
        let following = follow("it", || {
            reads.push(begin.elapsed().as_secs());
            match reads.len() {
                1 => Ok(false),
                2 => Err("half"),
                _ => Ok(true),
            }
        });
        assert!(timeout(Duration::from_secs(7), following).await.is_err());
        assert_eq!(reads, [0, 2, 4, 6]);
    }
}
