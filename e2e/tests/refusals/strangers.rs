//! Connections that prove nothing get little time and little room.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use e2e::Gateway;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{GATEWAYS, Stage, answer::Answer};

type Stranger = (
    SendRequest<Empty<Bytes>>,
    Connection<TokioIo<TlsStream<TcpStream>>, Empty<Bytes>, TokioExecutor>,
);

/// An HTTP/2 connection without a certificate.
async fn stranger(gateway: &Gateway) -> Stranger {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(gateway.ca_pem().as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut tls = builder.with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", gateway.port()))
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream);
    let io = TokioIo::new(stream.await.unwrap());
    http2::handshake(TokioExecutor::new(), io).await.unwrap()
}

/// Opens connections that say nothing.
async fn crowd(address: SocketAddr, size: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..size {
        all.push(TcpStream::connect(address).await.unwrap());
    }
    all
}

/// Waits until the other end has closed these.
async fn are_closed(connections: &mut [TcpStream]) {
    for connection in connections {
        let read = timeout(Duration::from_secs(5), connection.read(&mut [0])).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    }
}

#[tokio::test]
async fn strangers_get_little_time_and_little_room() {
    let stage = Stage::shared().await;
    let gateway = &stage.gateway;

    // The answer is 401, and the connection ends at once.
    let (mut sender, connection) = stranger(gateway).await;
    let url = format!("{}{GATEWAYS}", gateway.url());
    let asked = async {
        let request = Request::get(url).body(Empty::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let code = answer.status();
        answer.into_body().collect().await.unwrap();
        code
    };
    let whole = timeout(Duration::from_secs(5), async {
        tokio::join!(asked, connection)
    });
    let (code, _) = whole.await.expect("a 401 ends the connection");
    assert_eq!(code, 401);

    // It says nothing, although it answers pings, and ends.
    let begin = Instant::now();
    let (_sender, connection) = stranger(gateway).await;
    let ended = timeout(Duration::from_secs(25), connection).await;
    assert!(ended.is_ok() && begin.elapsed() > Duration::from_secs(10));

    // Newcomers take the places of the oldest, so the hub always gets in.
    let mut silent = crowd(([127, 0, 0, 1], gateway.port()).into(), 300).await;
    are_closed(&mut silent[..40]).await;
    let root = [
        ("x-remote-user", "root"),
        ("x-remote-group", "system:masters"),
    ];
    let answer = Answer::get(&stage.as_hub(), GATEWAYS, &root).await;
    assert_eq!(answer.code, 200);

    // The same holds for the admin listener.
    let admin: SocketAddr = gateway.admin_url()["http://".len()..].parse().unwrap();
    let mut silent = crowd(admin, 100).await;
    are_closed(&mut silent[..80]).await;
    let client = kube::Config::new(gateway.admin_url().parse().unwrap());
    let client = kube::Client::try_from(client).unwrap();
    assert_eq!(Answer::get(&client, "/readyz", &[]).await.code, 200);
}
