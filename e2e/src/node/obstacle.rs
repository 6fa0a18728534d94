//! Checks whether a node can run on this machine.

use std::{fs, process::Command};

use crate::fence::succeed;

/// A script that tries everything that a fence and a node need from the kernel, in namespaces that
/// disappear at once.
const REHEARSAL: &str = "\
    ip link set lo up
    ip link add one type veth peer name other
    ip link add bridge type bridge
    echo 'table inet t { chain c { type filter hook input priority 0; ct state new drop; }; }' | nft -f -
    mount -t tmpfs tmpfs /run
    mount --bind /run /var/lib";

/// Why no node can run here, in words for the reader of a test's output; `None` if one can.
pub fn obstacle() -> Option<String> {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--propagation=private", "--pid"])
        .args(["--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-euc", REHEARSAL]);
    if let Err(error) = succeed(
        "a rehearsal of its namespaces, links and mounts",
        &mut command,
        "",
    ) {
        return Some(error.to_string());
    }
    let mut headers = Command::new("pkg-config");
    if let Err(error) = succeed(
        "a look for what its runtime is built with",
        headers.args(["--exists", "libseccomp"]),
        "",
    ) {
        return Some(error.to_string());
    }
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.contains("overlay") {
        return Some("the kernel has no overlay file system".to_owned());
    }
    None
}
