//! What the harness takes from the machine: environment, wall clock, randomness, free ports, and
//! the terminal. The only file that reads them.

use std::{
    ffi::OsString,
    hash::{BuildHasher, RandomState},
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::SystemTime,
};

/// Below every usual ephemeral range (Linux begins at 32768), so that an outgoing connection never
/// sits on a port that was picked for a server.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 22_000;

/// Each process starts somewhere else, so that test binaries running side by side rarely meet.
static NEXT_PORT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let start = RandomState::new().hash_one(std::process::id()) % u64::from(PORTS);
    AtomicU16::new(u16::try_from(start).expect("less than PORTS"))
});

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

/// A loopback port nobody listens on, never twice the same in one process.
pub fn free_port() -> u16 {
    loop {
        let offset = NEXT_PORT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = FIRST_PORT + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A loopback address of which nobody listens on `port`. All of 127.0.0.0/8 is loopback.
pub(crate) fn free_address(port: u16) -> io::Result<SocketAddrV4> {
    let seed = RandomState::new().hash_one(port).to_be_bytes();
    let ip = Ipv4Addr::new(127, seed[0], seed[1], seed[2].clamp(2, 254));
    TcpListener::bind((ip, port)).map(|_| SocketAddrV4::new(ip, port))
}

/// Tells the person at the terminal, past the capture of test output: a build takes minutes, and a
/// silent test looks hung.
pub(crate) fn tell(line: &str) {
    // A closed stderr is no reason to fail a build.
    let _ = writeln!(io::stderr(), "{line}");
}

/// True while a thread of the process is neither stopped nor over.
pub(crate) fn has_running_threads(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in brackets and may hold anything.
        let state = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.trim_start().chars().next());
        state.is_some_and(|state| !"TtZX".contains(state))
    })
}
