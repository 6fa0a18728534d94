//! What the harness uses of the machine: environment, wall clock, randomness, free ports, and the
//! terminal. Nothing else in the harness reads them.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    time::SystemTime,
};

mod ports;

pub(crate) use ports::free_address;
pub use ports::free_port;

/// The machine's clock, for certificates and tokens that expire relative to it.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness's one reading of the wall clock"
)]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Prints to the terminal in spite of the capture of test output, because a build takes minutes and
/// a silent test looks hung.
pub(crate) fn tell(line: &str) {
    // A closed stderr must not fail a build.
    let _ = writeln!(io::stderr(), "{line}");
}

/// True while a thread of the process is neither stopped nor finished.
pub(crate) fn has_running_threads(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in parentheses and may contain anything.
        let state = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.trim_start().chars().next());
        state.is_some_and(|state| !"TtZX".contains(state))
    })
}
