//! The control group below which all containers of a node are, in whichever hierarchies there are.

use std::{fs, path::Path, thread, time::Duration};

const HIERARCHIES: &str = "/sys/fs/cgroup";
/// The kernel lets go of the last process a moment after it was killed.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// Removed when dropped; the reaper does it where that never happens.
#[derive(Debug)]
pub(super) struct ControlGroup(String);

impl ControlGroup {
    /// runc makes it when the first container starts.
    pub(super) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let hierarchies = Path::new(HIERARCHIES);
        let below = fs::read_dir(hierarchies).into_iter().flatten().flatten();
        let below = below.map(|entry| entry.path().join(&self.0));
        for group in below.chain([hierarchies.join(&self.0)]) {
            for _ in 0..ATTEMPTS {
                remove(&group);
                if !group.exists() {
                    break;
                }
                thread::sleep(PAUSE);
            }
        }
    }
}

/// A group is removed by `rmdir`, after those in it; the files in it are the kernel's.
fn remove(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&entry.path());
    }
    // Busy while a process dies: the caller comes back.
    let _ = fs::remove_dir(group);
}
