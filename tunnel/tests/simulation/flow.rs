//! One direction of a pipe in the model. Each byte depends only on its position, so received bytes
//! are checked without a copy of those that were sent.

use std::{io, sync::LazyLock, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// How long an operation waits before it gives up. Nothing in the model takes time by itself.
const PATIENCE: Duration = Duration::from_millis(1);

/// A prime, so that a missing byte cannot coincide with the size of a buffer.
const PERIOD: usize = 65_521;

static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |place: usize| (place ^ (place >> 8)).to_le_bytes()[0];
    (0..2 * PERIOD).map(|place| byte(place % PERIOD)).collect()
});

#[derive(Debug)]
pub(crate) struct Flow {
    salt: usize,
    pub(crate) sent: usize,
    pub(crate) received: usize,
    /// Whether the sender has ended the direction.
    pub(crate) finished: bool,
}

impl Flow {
    pub(crate) fn new(salt: usize) -> Self {
        Self {
            salt,
            sent: 0,
            received: 0,
            finished: false,
        }
    }

    /// The bytes from position `place` on, as many as are available.
    fn bytes(&self, place: usize) -> &'static [u8] {
        &PATTERN[(place + self.salt * 7919) % PERIOD..]
    }

    /// Writes some of `length` bytes, or gives up.
    pub(crate) async fn write(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        length: usize,
    ) -> io::Result<()> {
        let end = self.sent + length;
        while self.sent < end {
            let data = self.bytes(self.sent);
            let data = &data[..data.len().min(end - self.sent)];
            match timeout(PATIENCE, to.write(data)).await {
                Ok(written) => self.sent += written?,
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Reads up to `length` bytes, or gives up. True at the end.
    pub(crate) async fn read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        length: usize,
    ) -> io::Result<bool> {
        let mut data = vec![0; length];
        match timeout(PATIENCE, from.read(&mut data)).await {
            Ok(read) => {
                let read = read?;
                self.check(&data[..read]);
                Ok(read == 0)
            }
            Err(_) => Ok(false),
        }
    }

    /// Reads to the end.
    pub(crate) async fn read_out(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let mut data = vec![0; 16 << 10];
        loop {
            let read = from.read(&mut data).await?;
            if read == 0 {
                return Ok(());
            }
            self.check(&data[..read]);
        }
    }

    fn check(&mut self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() {
            let wanted = self.bytes(self.received);
            let (these, more) = rest.split_at(rest.len().min(wanted.len()));
            assert!(these == &wanted[..these.len()], "at {}", self.received);
            self.received += these.len();
            rest = more;
        }
        assert!(self.received <= self.sent, "more than was sent");
    }

    /// True if everything was sent and has arrived.
    pub(crate) fn is_complete(&self) -> bool {
        self.finished && self.received == self.sent
    }
}
