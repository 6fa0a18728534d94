//! TCP sockets: the keepalive of all long-lived streams, and listening on both families.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// After this silence, the peer is probed.
const IDLE: Duration = Duration::from_secs(20);
/// The time between two probes. Three of them may be lost.
const INTERVAL: Duration = Duration::from_secs(8);
const PROBES: u32 = 3;
/// How many connections wait to be accepted, as tokio has it.
const BACKLOG: i32 = 1024;

/// Detects a silent peer within 45 s, and sends small writes at once. This is for streams whose
/// protocol has no pings.
pub fn keep_alive(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(PROBES);
    // Neither call can fail on an open TCP socket, and neither is worth losing the connection.
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    let _ = stream.set_nodelay(true);
}

/// Listens on an address. `[::]` stands for all addresses of both families, and for those of IPv4 if
/// this host has no IPv6. All other addresses are taken as they are.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let any = Ipv6Addr::UNSPECIFIED;
    if address.ip() != any {
        return bind(address, false);
    }
    bind(address, true).or_else(|error| {
        // Without IPv6, the kernel knows no such family, or has no such address.
        let without = matches!(
            error.raw_os_error(),
            Some(code) if code == rustix::io::Errno::AFNOSUPPORT.raw_os_error()
                || code == rustix::io::Errno::ADDRNOTAVAIL.raw_os_error()
        );
        if without {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into(), false)
        } else {
            Err(error)
        }
    })
}

fn bind(address: SocketAddr, both: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if both {
        // The default is the host's choice (net.ipv6.bindv6only).
        socket.set_only_v6(false)?;
    }
    // A restarted process does not wait for connections of the one before it.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn any_address_is_one_of_both_families() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .unwrap();
        }
        // A port that is taken is no reason to fall back.
        let taken = listen((Ipv6Addr::UNSPECIFIED, port).into()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn one_address_stays_one_address() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(listener.local_addr().unwrap().is_ipv4());
    }
}
