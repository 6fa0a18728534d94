//! A bare HTTP/1.1 client over verified TLS, for what kube's client does not offer: upgrades, and
//! requests with any header.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::HOST};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::TlsConnector;

use crate::cluster::Credentials;

/// Sends each request on a connection of its own.
#[derive(Debug)]
pub struct Http1 {
    authority: String,
    tls: Arc<ClientConfig>,
    token: Option<String>,
    drivers: Mutex<JoinSet<()>>,
}

impl Http1 {
    /// A client of the server at `url`, whose certificate must be signed by the CA in `ca_pem`.
    pub fn new(url: &str, ca_pem: &str, credentials: &Credentials) -> anyhow::Result<Self> {
        let uri: Uri = url.parse()?;
        let authority = uri.authority().context("the URL has no host")?.to_string();
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(authority?)?;
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let mut tls = match credentials {
            Credentials::Certificate(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
                builder.with_client_auth_cert(chain.collect::<Result<_, _>>()?, key)?
            }
            Credentials::Token(_) | Credentials::Anonymous => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let token = match credentials {
            Credentials::Token(token) => Some(format!("Bearer {token}")),
            Credentials::Certificate(_) | Credentials::Anonymous => None,
        };
        Ok(Self {
            authority,
            tls: Arc::new(tls),
            token,
            drivers: Mutex::default(),
        })
    }

    /// Sends one GET and returns the head of its answer. If the server agreed to an upgrade, it can
    /// be taken from there.
    pub async fn get(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::get(path).header(HOST, &self.authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", HeaderValue::from_str(token)?);
        }
        let (host, _) = self
            .authority
            .rsplit_once(':')
            .context("the URL has no port")?;
        let stream = TcpStream::connect(&self.authority).await?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector
            .connect(ServerName::try_from(host.to_owned())?, stream)
            .await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        self.drivers.lock().spawn(async move {
            // The request reports it if the connection breaks.
            let _ = connection.with_upgrades().await;
        });
        Ok(sender
            .send_request(request.body(Empty::<Bytes>::new())?)
            .await?)
    }
}
