//! Loopback ports and addresses for the servers of this process. They never collide with those of
//! another process of ours on the machine.

use std::{
    env,
    fs::File,
    hash::{BuildHasher, RandomState},
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

/// The range is below every usual ephemeral range (Linux begins at 32768), so that an outgoing
/// connection never uses a port that was picked for a server.
const FIRST_PORT: u16 = 10_000;
/// The size of a block, which is more than one process uses.
const BLOCK: u16 = 1_000;
const BLOCKS: u16 = 22;
const PORTS: u16 = BLOCK * BLOCKS;

static MINE: LazyLock<Ports> = LazyLock::new(Ports::claim);

/// The ports of one process. A block of its own also keeps a port free for a server that was killed
/// and will be started again there. A check for a listener could not do that.
#[derive(Debug)]
struct Ports {
    next: AtomicU16,
    /// The lock that holds the block. The kernel releases it when this process ends.
    _claim: Option<File>,
}

impl Ports {
    /// Takes a block that no other process has. If there is none, starts at a random one, so that
    /// two processes rarely collide.
    fn claim() -> Self {
        let seed = RandomState::new().hash_one(std::process::id());
        let start = u16::try_from(seed % u64::from(BLOCKS)).expect("less than BLOCKS");
        let blocks = (0..BLOCKS).map(|index| (start + index) % BLOCKS);
        let mut claims = blocks.filter_map(|block| Some((block, lock(block)?)));
        let (offset, claim) = match claims.next() {
            Some((block, claim)) => (block * BLOCK, Some(claim)),
            None => (start * BLOCK + u16::from(seed.to_be_bytes()[0]), None),
        };
        Self {
            next: AtomicU16::new(offset),
            _claim: claim,
        }
    }

    fn next(&self) -> u16 {
        FIRST_PORT + self.next.fetch_add(1, Ordering::Relaxed) % PORTS
    }
}

fn lock(block: u16) -> Option<File> {
    let path = env::temp_dir().join(format!("spokeway-ports-{block}.lock"));
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).open(path);
    let file = file.ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// A loopback port that nobody listens on. A process never gets the same one twice.
pub fn free_port() -> u16 {
    loop {
        let port = MINE.next();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A loopback address where nobody listens on `port`. All of 127.0.0.0/8 is loopback.
pub(crate) fn free_address(port: u16) -> io::Result<SocketAddrV4> {
    let seed = RandomState::new().hash_one(port).to_be_bytes();
    let ip = Ipv4Addr::new(127, seed[0], seed[1], seed[2].clamp(2, 254));
    TcpListener::bind((ip, port)).map(|_| SocketAddrV4::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_belongs_to_one_at_a_time() {
        let (one, other) = (Ports::claim(), Ports::claim());
        let block = |ports: &Ports| (ports.next() - FIRST_PORT) / BLOCK;
        assert_ne!(block(&one), block(&other));
    }
}
