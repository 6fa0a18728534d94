//! The control group that contains all containers of a node, in all hierarchies of the machine.

use std::{fs, path::Path, thread, time::Duration};

const HIERARCHIES: &str = "/sys/fs/cgroup";
/// How long to wait for the kernel, which releases the last process a moment after it was killed.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// The control group of a node. It is removed when it is dropped; if that never happens, the reaper
/// removes it.
#[derive(Debug)]
pub(super) struct ControlGroup(String);

impl ControlGroup {
    /// runc creates it when the first container starts.
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

/// Removes a group by `rmdir` after its child groups. The files in it belong to the kernel.
fn remove(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&entry.path());
    }
    // The group is busy while a process dies. The caller tries again.
    let _ = fs::remove_dir(group);
}
