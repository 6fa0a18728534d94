//! The gateway's own port: one HTTP/2 connection that presents the hub's front-proxy certificate,
//! as the aggregator does, and names the caller in headers.

use std::{net::Shutdown, sync::Arc};

use bytes::{Buf as _, Bytes};
use e2e::{Gateway, Identity};
use futures::{StreamExt as _, stream::BoxStream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, BodyStream, Full};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Duration, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::SOON;

/// The caller, as the front proxy names it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    /// A member of `system:masters`. The gateway need not ask the hub about it.
    Master,
    /// A user about whose rights the gateway must ask the hub.
    User(&'static str),
}

/// A connection to the gateway.
#[derive(Debug)]
pub(crate) struct Door {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
    certificate: CertificateDer<'static>,
    socket: std::net::TcpStream,
    _driver: JoinSet<()>,
}

impl Door {
    pub(crate) async fn open(gateway: &Gateway) -> Self {
        Self::open_with(gateway, gateway.hub().front_proxy_client()).await
    }

    /// The same with another client certificate.
    pub(crate) async fn open_with(gateway: &Gateway, identity: &Identity) -> Self {
        let authority = gateway.url().trim_start_matches("https://").to_owned();
        let stream = TcpStream::connect(&authority)
            .await
            .unwrap()
            .into_std()
            .unwrap();
        let socket = stream.try_clone().unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        let tls = tls(&gateway.ca_pem(), identity);
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream);
        let stream = stream.await.unwrap();
        let certificate = server_certificate(&stream);
        let io = TokioIo::new(stream);
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (sender, connection) = handshake.await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The requests report it if the connection breaks.
            let _ = connection.await;
        });
        Self {
            authority,
            sender,
            certificate,
            socket,
            _driver: driver,
        }
    }

    /// The certificate that the gateway presented, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Sends one request and returns the head of its answer.
    pub(crate) async fn send(
        &self,
        caller: Caller,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> hyper::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.authority))
            .header("accept", "application/json")
            .header("content-type", "application/json");
        let request = match caller {
            Caller::Master => request
                .header("x-remote-user", "kubernetes-admin")
                .header("x-remote-group", "system:masters"),
            Caller::User(name) => request
                .header("x-remote-user", name)
                .header("x-remote-group", "system:authenticated"),
        };
        let request = request.body(Full::from(body)).unwrap();
        self.sender.clone().send_request(request).await
    }

    /// A GET by a user who may do everything. Returns its code and its whole answer.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        self.get_as(Caller::Master, path).await
    }

    pub(crate) async fn get_as(&self, caller: Caller, path: &str) -> (StatusCode, String) {
        let answer = self.send(caller, Method::GET, path, Vec::new()).await;
        read(answer.unwrap()).await
    }

    /// Starts a watch.
    pub(crate) async fn watch(&self, path: &str) -> Watch {
        let answer = self
            .send(Caller::Master, Method::GET, path, Vec::new())
            .await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let frames = BodyStream::new(answer.into_body()).map(|frame| frame.unwrap());
        let data = frames.filter_map(async |frame| frame.into_data().ok());
        Watch {
            data: data.boxed(),
            pending: Vec::new(),
        }
    }

    /// Closes the connection abruptly, as the kernel does for a client that is killed.
    pub(crate) fn slam(self) {
        self.socket.shutdown(Shutdown::Both).unwrap();
    }
}

/// A watch on such a connection. Dropping it cancels its stream and keeps the connection.
pub(crate) struct Watch {
    data: BoxStream<'static, Bytes>,
    pending: Vec<u8>,
}

impl Watch {
    /// The next event; `None` if the spoke has ended the watch.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        timeout(SOON, self.line())
            .await
            .expect("an event or the end")
    }

    async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            self.pending
                .extend_from_slice(self.data.next().await?.chunk());
        }
    }

    /// Waits for the event of an object.
    pub(crate) async fn sees(&mut self, name: &str) {
        while let Some(event) = self.event().await {
            if event["object"]["metadata"]["name"] == name {
                return;
            }
        }
        panic!("the watch ended without {name}");
    }

    /// Reads until the spoke ends the watch.
    pub(crate) async fn ended(mut self, within: Duration) {
        let ended = async { while self.line().await.is_some() {} };
        timeout(within, ended).await.expect("the watch to end");
    }
}

async fn read(answer: Response<Incoming>) -> (StatusCode, String) {
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap())
}

fn tls(ca_pem: &str, identity: &Identity) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn server_certificate(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}
