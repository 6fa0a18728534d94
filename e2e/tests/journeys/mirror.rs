//! A spoke that answers every request with the method, path and query that reached it, which a real
//! API server would not reveal.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use e2e::{Authority, Credentials, Gateway, SpokeOptions};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// A running mirror.
#[derive(Debug)]
pub(crate) struct Mirror {
    address: SocketAddr,
    authority: Authority,
    _serving: JoinSet<()>,
}

/// The protocol that it speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Mirror {
    pub(crate) async fn start(protocol: Protocol) -> Self {
        let authority = Authority::new("mirror-ca").unwrap();
        let pair = authority.issue_server(&["127.0.0.1"]).unwrap();
        let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let mut tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        tls.alpn_protocols = vec![match protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), protocol));
        Self {
            address,
            authority,
            _serving: serving,
        }
    }

    /// Makes it a managed cluster, with `base_path` appended to its endpoint.
    pub(crate) async fn register(&self, gateway: &Gateway, name: &str, base_path: &str) {
        let options = SpokeOptions {
            name: Some(name.to_owned()),
            endpoint: Some(format!("https://{}{base_path}", self.address)),
            ca_pem: Some(self.authority.certificate()),
            credentials: Some(Credentials::Token("anything".to_owned())),
            ..SpokeOptions::default()
        };
        gateway
            .register_spoke(gateway.hub(), options)
            .await
            .unwrap();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, protocol: Protocol) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, acceptor.clone(), protocol));
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, protocol: Protocol) {
    let io = TokioIo::new(acceptor.accept(stream).await.unwrap());
    let service = service_fn(reflect);
    // An error at the end is ignored, because the gateway closes the connection when the test ends.
    let _ = match protocol {
        Protocol::Http1 => {
            conn::http1::Builder::new()
                .serve_connection(io, service)
                .await
        }
        Protocol::Http2 => {
            let builder = conn::http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(io, service).await
        }
    };
}

async fn reflect(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.uri().path_and_query().unwrap().as_str();
    let seen = format!("{} {target}", request.method());
    Ok(Response::new(Full::from(seen)))
}
