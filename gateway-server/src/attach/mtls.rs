//! The entrance of its own: a port that speaks TLS and then the tunnel's protocol. An agent shows a
//! certificate of our authority; the cluster's name is taken from it.

use std::{sync::Arc, time::Duration};

use runtime::read_ahead::ReadAhead;
use rustls::{ServerConfig, pki_types::UnixTime, server::ResolvesServerCert};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};
use tunnel::PROTOCOL;

use super::{Agent, AgentAuthority, Attach, Right};
use crate::{accept::accept, authentication::AskForCertificate};

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
        accept(listener, tasks, leaving, |stream| {
            Arc::clone(&self).connection(stream)
        })
        .await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
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
        let cluster = match self.authority.verify(&chain, UnixTime::now()) {
            Ok(cluster) => cluster,
            Err(error) => {
                self.attach.metrics.attach_refusals.inc();
                return warn!(%error, "agent refused: its certificate is not valid");
            }
        };
        if let Err(absent) = self.attach.clusters.find(&cluster) {
            self.attach.metrics.attach_refusals.inc();
            return warn!(%cluster, "agent refused: {absent}");
        }
        let right = Right::Certificate {
            chain,
            authority: Arc::clone(&self.authority),
        };
        self.attach.hold(stream, &Agent { cluster, right }).await;
    }
}
