//! A connection to a target. If the gateway finished it, it ends with a FIN. If it was reset or its
//! tunnel broke, it ends with a RST, so that a truncated message does not look complete.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection that is reset if it is dropped before it was shut down.
#[derive(Debug)]
pub(crate) struct Dialled {
    stream: TcpStream,
    finished: bool,
}

impl Dialled {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            finished: false,
        }
    }
}

impl Drop for Dialled {
    fn drop(&mut self) {
        if !self.finished {
            // If the linger option cannot be set, the connection is closed without a reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Dialled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        self.finished = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (Dialled, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dialled = TcpStream::connect(address).await.unwrap();
        (Dialled::new(dialled), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn half_of_a_message_ends_with_a_reset_and_all_of_it_with_its_end() {
        for finished in [false, true] {
            let (mut dialled, mut target) = pair().await;
            dialled.write_all(b"message").await.unwrap();
            target.read_exact(&mut [0; 7]).await.unwrap();
            if finished {
                dialled.shutdown().await.unwrap();
            }
            drop(dialled);
            let rest = target.read_to_end(&mut Vec::new()).await;
            let rest = rest.map_err(|error| error.kind());
            let wanted = if finished {
                Ok(0)
            } else {
                Err(io::ErrorKind::ConnectionReset)
            };
            assert_eq!(rest, wanted);
        }
    }
}
