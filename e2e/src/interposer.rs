//! Stands between a client and a cluster's API server, and stops chosen calls: before the server
//! receives them, or after the server has carried them out and before the client knows. So a test
//! can kill a client or its server at an exact moment of its work, and the client needs no hooks
//! for it.
//!
//! ```text
//!  client ──TLS, HTTP/1.1──► interposer ──TLS──► API server
//!                             │ Before: held, then broken; never sent on
//!                             └ After: sent on, answered, held, then broken
//! ```
//!
//! It can also hold every write into one namespace, and it can be cut: then it has no connections
//! at all.
//!
//! Callers must use bearer tokens, because a client certificate does not pass through it.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Elapsed,
    cluster::{Cluster, Credentials},
    eventually::eventually,
    pki::PkiError,
};

/// The way to one API server. It ends when it is dropped.
#[derive(Debug)]
pub struct Interposer {
    url: String,
    state: Arc<State>,
    cut: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

/// A guard that holds writes. Dropping it breaks the connections of held writes, and lets later
/// ones pass.
#[derive(Debug)]
pub struct Hold {
    namespace: String,
    state: Arc<State>,
}

/// Why an interposer could not be started.
#[derive(Debug, thiserror::Error)]
pub enum InterposerError {
    /// A port or a file is not available.
    #[error("cannot listen")]
    Listen(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// TLS does not accept our certificate.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Which call: its method, and the kind and name of its object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// The method, e.g. `POST`.
    pub method: Method,
    /// The resource, e.g. `serviceaccounts/token`.
    pub resource: String,
    /// The name of the object.
    pub name: String,
}

/// When a call is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// The server never receives the call.
    Before,
    /// The server has carried the call out, and the client does not know.
    After,
}

/// A trap for a call. Dropping it breaks the connection of the held call, and lets later calls of
/// the kind pass.
#[derive(Debug)]
pub struct Trap {
    sprung: watch::Receiver<bool>,
    _release: watch::Sender<()>,
}

impl Trap {
    /// Waits until the call is held.
    pub async fn is_sprung(&self, within: Duration) -> Result<(), Elapsed> {
        let sprung = || async {
            if *self.sprung.borrow() {
                Ok(())
            } else {
                Err("not yet")
            }
        };
        eventually(within, "the call is held", sprung).await
    }
}

#[derive(Debug)]
struct Armed {
    call: Call,
    moment: Moment,
    sprung: watch::Sender<bool>,
    release: watch::Receiver<()>,
}

#[derive(Debug, Default)]
struct State {
    armed: Mutex<Vec<Armed>>,
    /// Namespaces into which nothing is written.
    held: watch::Sender<BTreeSet<String>>,
    /// The tokens that were issued, with their `ServiceAccount`s.
    issued: Mutex<Vec<(String, String)>>,
}

/// The connection must break.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("stopped")]
    Stopped,
    #[error(transparent)]
    Caller(#[from] hyper::Error),
    #[error(transparent)]
    Server(#[from] kube::Error),
}

impl Interposer {
    /// Listens in front of a cluster's API server, with a certificate of the cluster's own CA.
    pub async fn start(cluster: &Cluster) -> Result<Self, InterposerError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}", listener.local_addr()?);
        let tls = acceptor(cluster)?;
        let state = Arc::<State>::default();
        let server = cluster.client_with(&Credentials::Anonymous);
        let (cut, is_cut) = watch::channel(false);
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, tls, (server, is_cut), Arc::clone(&state)));
        Ok(Self {
            url,
            state,
            cut,
            _serving: serving,
        })
    }

    /// The URL where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the next such call.
    pub fn stop(&self, call: Call, moment: Moment) -> Trap {
        let (sprung, is_sprung) = watch::channel(false);
        let (hold, release) = watch::channel(());
        self.state.armed.lock().push(Armed {
            call,
            moment,
            sprung,
            release,
        });
        Trap {
            sprung: is_sprung,
            _release: hold,
        }
    }

    /// Holds every write into a namespace.
    pub fn hold(&self, namespace: &str) -> Hold {
        let namespace = namespace.to_owned();
        self.state.held.send_modify(|held| {
            held.insert(namespace.clone());
        });
        Hold {
            namespace,
            state: Arc::clone(&self.state),
        }
    }

    /// Breaks every connection, including watches, and accepts no new one until
    /// [`mend`](Self::mend).
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Accepts connections again.
    pub fn mend(&self) {
        self.cut.send_replace(false);
    }

    /// Every token that the server issued for a `ServiceAccount`, including those that no client
    /// received.
    pub fn issued(&self, service_account: &str) -> Vec<String> {
        let issued = self.state.issued.lock();
        let of_account = issued.iter().filter(|(name, _)| name == service_account);
        of_account.map(|(_, token)| token.clone()).collect()
    }
}

impl State {
    fn take(&self, call: &Call) -> Option<Armed> {
        let mut armed = self.armed.lock();
        armed.retain(|armed| !armed.sprung.is_closed());
        let found = armed.iter().position(|armed| armed.call == *call)?;
        Some(armed.swap_remove(found))
    }

    async fn pass(
        &self,
        server: &Client,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Broken> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.method != Method::GET {
            self.is_let_into(head.uri.path()).await?;
        }
        let call = call(&head.method, head.uri.path(), &body);
        let armed = call.as_ref().and_then(|call| self.take(call));
        if let Some(armed) = armed.as_ref().filter(|it| it.moment == Moment::Before) {
            return Err(armed.hold().await);
        }
        let mut response = server.send(Request::from_parts(head, body.into())).await?;
        if let Some(call) = call.filter(|call| call.resource == "serviceaccounts/token") {
            response = self.note(&call.name, response).await?;
        }
        match armed {
            Some(armed) => Err(armed.hold().await),
            None => Ok(response),
        }
    }

    /// If writes into the namespace are held, waits until that ends, and then breaks the
    /// connection.
    async fn is_let_into(&self, path: &str) -> Result<(), Broken> {
        let namespace = path.split_once("/namespaces/").map(|(_, rest)| rest);
        let namespace = namespace.and_then(|rest| rest.split('/').next());
        let mut held = self.held.subscribe();
        let is_held = |held: &BTreeSet<String>| namespace.is_some_and(|it| held.contains(it));
        if !is_held(&held.borrow()) {
            return Ok(());
        }
        // The sender is owned by `self`, so it cannot be closed.
        let _ = held.wait_for(|held| !is_held(held)).await;
        Err(Broken::Stopped)
    }

    /// Remembers the token in an answer.
    async fn note(&self, name: &str, response: Response<Body>) -> Result<Response<Body>, Broken> {
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(token) = answer["status"]["token"].as_str() {
            let mut issued = self.issued.lock();
            issued.push((name.to_owned(), token.to_owned()));
        }
        Ok(Response::from_parts(head, body.into()))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.state.held.send_modify(|held| {
            held.remove(&self.namespace);
        });
    }
}

impl Armed {
    /// Waits until the trap is dropped.
    async fn hold(&self) -> Broken {
        self.sprung.send_replace(true);
        let mut release = self.release.clone();
        // Nothing is ever sent. The channel ends when the sender is dropped.
        let _ = release.changed().await;
        Broken::Stopped
    }
}

fn acceptor(cluster: &Cluster) -> Result<TlsAcceptor, InterposerError> {
    let identity = cluster.cluster_ca().issue_server(&["127.0.0.1"])?;
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
    let certificate = certificate.expect("our own PEM parses");
    let key = key.expect("our own PEM parses");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    (server, is_cut): (Client, watch::Receiver<bool>),
    state: Arc<State>,
) {
    let mut connections = JoinSet::new();
    // If the port fails to accept, clients get no answers, and the test reports that.
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, server, state) = (tls.clone(), server.clone(), Arc::clone(&state));
        let mut cut = is_cut.clone();
        connections.spawn(async move {
            let serving = serve(stream, tls, server, state);
            tokio::select! {
                () = serving => {}
                _ = cut.wait_for(|cut| *cut) => {}
            }
        });
    }
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, server: Client, state: Arc<State>) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = service_fn(|request| state.pass(&server, request));
    // Broken connections are the purpose of this module.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// What a request asks for, if it is about one object in a namespace.
fn call(method: &Method, path: &str, body: &Bytes) -> Option<Call> {
    let (_, rest) = path.split_once("/namespaces/")?;
    let mut segments = rest.split('/').skip(1);
    let kind = segments.next()?;
    let (name, subresource) = (segments.next(), segments.next());
    let name = if let Some(name) = name {
        name.to_owned()
    } else {
        let object: Value = serde_json::from_slice(body).ok()?;
        object["metadata"]["name"].as_str()?.to_owned()
    };
    let slash = if subresource.is_some() { "/" } else { "" };
    Some(Call {
        method: method.clone(),
        resource: format!("{kind}{slash}{}", subresource.unwrap_or_default()),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_path_or_body() {
        let named = Bytes::from(r#"{"metadata":{"name":"a"}}"#);
        let read = |path: &str, body: &Bytes| {
            let call = call(&Method::POST, path, body)?;
            Some(format!("{} {}", call.resource, call.name))
        };
        for (path, body, wanted) in [
            (
                "/api/v1/namespaces/n/serviceaccounts",
                &named,
                Some("serviceaccounts a"),
            ),
            (
                "/api/v1/namespaces/n/serviceaccounts/b/token",
                &named,
                Some("serviceaccounts/token b"),
            ),
            (
                "/apis/g/v1/namespaces/n/things/c",
                &Bytes::new(),
                Some("things c"),
            ),
            ("/api/v1/namespaces/n/secrets", &Bytes::new(), None),
            ("/api/v1/namespaces", &named, None),
        ] {
            assert_eq!(read(path, body).as_deref(), wanted, "{path}");
        }
    }
}
