//! The inotify instances of a user. An API server takes six of them, for files that it would read again
//! if they changed, and each other program of a control plane takes one. Eight journeys at a time take
//! more than the 128 that Linux allows a user by default, and the program that gets none ends with
//! "too many open files".

use std::fs;

use crate::terminal::tell;

const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
/// Enough for all journeys that run at a time.
const ENOUGH: u32 = 512;

/// Room for the inotify instances of the journeys. If it had to be made, the limit is put back in the
/// end.
#[derive(Debug)]
pub(super) struct Room {
    before: Option<u32>,
    pub(super) is_enough: bool,
}

impl Room {
    /// Raises the limit if it is too low, which takes the rights of root.
    pub(super) fn make() -> anyhow::Result<Self> {
        let limit = fs::read_to_string(LIMIT).ok();
        let limit: Option<u32> = limit.and_then(|limit| limit.trim().parse().ok());
        let Some(before) = limit.filter(|limit| *limit < ENOUGH) else {
            return Ok(Self {
                before: None,
                is_enough: true,
            });
        };
        let is_enough = fs::write(LIMIT, ENOUGH.to_string()).is_ok();
        if is_enough {
            tell(&format!(
                "fs.inotify.max_user_instances raised from {before} to {ENOUGH} until the end"
            ))?;
        } else {
            tell(&format!(
                "fs.inotify.max_user_instances is {before}, so half as many journeys run at a time; to change \
                 that: sysctl fs.inotify.max_user_instances={ENOUGH}"
            ))?;
        }
        Ok(Self {
            before: is_enough.then_some(before),
            is_enough,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // The limit is of no use to anybody after this, and does no harm if it stays.
            let _ = fs::write(LIMIT, before.to_string());
        }
    }
}
