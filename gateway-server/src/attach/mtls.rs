//! The entrance of its own: a port that speaks TLS and then the tunnel's protocol. An agent shows a
//! certificate of our authority; the cluster's name is taken from it.

use std::{sync::Arc, time::Duration};

use runtime::{
    listener::{Bounds, Visitor, accept},
    read_ahead::ReadAhead,
};
use rustls::{ServerConfig, pki_types::UnixTime, server::ResolvesServerCert};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;
use tunnel::PROTOCOL;

use super::{Agent, AgentAuthority, Attach, Right};
use crate::authentication::AskForCertificate;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Accepts agents' connections.
#[derive(Debug)]
pub(crate) struct TunnelDoor {
    tls: Arc<ServerConfig>,
    authority: Arc<AgentAuthority>,
    attach: Attach,
}

impl TunnelDoor {
    pub(crate) fn new(
        certificate: Arc<dyn ResolvesServerCert>,
        authority: Arc<AgentAuthority>,
        attach: Attach,
    ) -> Arc<Self> {
        let mut tls = ServerConfig::builder()
            .with_client_cert_verifier(Arc::new(AskForCertificate::new()))
            .with_cert_resolver(certificate);
        tls.alpn_protocols = vec![PROTOCOL.as_bytes().to_vec()];
        Arc::new(Self {
            tls: Arc::new(tls),
            authority,
            attach,
        })
    }

    /// Accepts connections until this replica begins to shut down.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let (tasks, leaving) = (
            self.attach.tasks.clone(),
            self.attach.ending.leaving.clone(),
        );
        accept(
            listener,
            Bounds::AUTHENTICATED,
            tasks,
            leaving,
            |stream, visitor| Arc::clone(&self).connection(stream, visitor),
        )
        .await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, visitor: Arc<Visitor>) {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
        let stream =
            match timeout(HANDSHAKE_DEADLINE, acceptor.accept(ReadAhead::new(stream))).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return debug!(%error, "TLS handshake with an agent failed"),
                Err(_) => return debug!("TLS handshake with an agent timed out"),
            };
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().unwrap_or_default();
        let chain: Vec<_> = shown.iter().map(|it| it.clone().into_owned()).collect();
        let holder = match self.authority.verify(&chain, UnixTime::now()) {
            Ok(holder) => holder,
            Err(error) => {
                // Nothing proves of which managed cluster it is.
                let why = format!("its certificate is not valid: {error}");
                return self.attach.refusals.refuse("", &why);
            }
        };
        let cluster = &holder.cluster;
        let registered = match self.attach.clusters.find_for_agent(cluster) {
            Ok(known) => known.registered,
            Err(absent) => {
                return self.attach.refusals.refuse(cluster.as_str(), &absent);
            }
        };
        if registered.is_some_and(|since| !holder.is_of_cluster_since(since)) {
            let why = "its certificate is older than the managed cluster";
            return self.attach.refusals.refuse(cluster.as_str(), &why);
        }
        visitor.identify();
        let right = Right::Certificate {
            chain,
            authority: Arc::clone(&self.authority),
        };
        let cluster = holder.cluster;
        self.attach
            .hold(
                stream,
                &Agent {
                    cluster,
                    right,
                    detour: None,
                },
            )
            .await;
    }
}
