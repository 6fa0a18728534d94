//! How much memory the process may use.

use std::fs;

/// Where a container sees its limit: cgroup v2, and v1.
const LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// The limit of the container that the process runs in, in bytes; `None` if there is none.
pub fn limit() -> Option<usize> {
    let mut contents = LIMITS
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    contents.find_map(|content| read(&content))
}

/// cgroup v2 says `max` if there is no limit, and v1 a number near 2^63.
fn read(content: &str) -> Option<usize> {
    let bytes: usize = content.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_and_no_limit_is_none() {
        assert_eq!(read("268435456\n"), Some(256 << 20));
        assert_eq!(read("max\n"), None);
        assert_eq!(read("9223372036854771712\n"), None);
        assert_eq!(read(""), None);
    }
}
