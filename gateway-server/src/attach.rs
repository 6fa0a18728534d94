//! Accepts agents at either entrance. A session is held for as long as the agent has the right to
//! it, which is checked again every few seconds.

mod certificate;
mod hub_api;
mod mtls;
mod refusals;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crds::ClusterName;
use http::StatusCode;
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use tunnel::{Driver, End, Session};

pub(crate) use self::{
    certificate::{AgentAuthority, fuzz},
    mtls::TunnelDoor,
    refusals::Refusals,
};
use crate::{
    authentication::User,
    authorization::{Action, Authorizer, Question},
    clusters::Clusters,
    ending::Ending,
    metrics::{Counted, Gauge, Metrics, TunnelEndLabels},
    replicas::Replicas,
    tunnels::Tunnels,
};

/// How often to check again whether an agent may stay attached.
const REVIEW: Duration = Duration::from_secs(5);

/// Accepts agents.
#[derive(Clone, Debug)]
pub(crate) struct Attach {
    pub(crate) replicas: Replicas,
    pub(crate) tunnels: Tunnels,
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) authorizer: Authorizer,
    pub(crate) metrics: Metrics,
    pub(crate) refusals: Refusals,
    /// Holds the sessions.
    pub(crate) tasks: TaskTracker,
    pub(crate) ending: Ending,
    /// Counts the sessions so far.
    pub(crate) attached: Arc<AtomicU64>,
}

/// An agent that proved which managed cluster it speaks for.
#[derive(Debug)]
struct Agent {
    cluster: ClusterName,
    right: Right,
    /// Why it comes by WebSocket, if it does. It may say what it wants.
    detour: Option<Arc<str>>,
}

/// Its place among the tunnels of its cluster.
struct Place {
    /// Tells the cluster from another one that gets its name later.
    uid: Option<String>,
    /// The cluster is gone.
    gone: CancellationToken,
    /// Counts the tunnels of the cluster.
    tunnels: Gauge,
    /// Counts those that do not lead to it.
    astray: Gauge,
    _permit: OwnedSemaphorePermit,
}

/// How it proved that.
#[derive(Debug)]
enum Right {
    /// The hub authenticated it as this user.
    User(User),
    /// It holds the key of this certificate, which must be issued by this CA.
    Certificate {
        chain: Vec<CertificateDer<'static>>,
        authority: Arc<AgentAuthority>,
    },
}

impl Attach {
    /// Holds one session until it is over, no longer allowed, or cut.
    async fn hold<IO>(&self, io: IO, agent: &Agent)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let cluster = &agent.cluster;
        let Some(place) = self.place(cluster) else {
            let why = "the cluster has as many tunnels as it may have";
            return self.refusals.refuse(cluster.as_str(), &why);
        };
        let held = async {
            let budget = self.tunnels.budget(cluster);
            let (numbers, hello) = (self.replicas.numbers(), self.replicas.hello());
            // Boxed, because the state of a handshake is kilobytes and is needed only here.
            let attached = Box::pin(Session::attach(io, &hello, budget.clone())).await;
            match attached {
                Ok((session, driver)) => {
                    self.tunnels
                        .add(cluster, session.clone(), budget, agent.detour.clone());
                    let _here = Here {
                        attach: self,
                        cluster,
                        session: &session,
                    };
                    let _counted = Counted::new(place.tunnels.clone());
                    self.refusals.attached(cluster.as_str());
                    info!(%cluster, agent = agent.right.name(), "agent attached");
                    select! {
                        () = self.drive(driver.telling(numbers), agent, &place) => {}
                        never = self.tunnels.tell_drain(cluster, &session) => match never {},
                        never = count_astray(&session, &place.astray) => match never {},
                    }
                }
                Err(error) => {
                    let why = format!("it did not finish attaching: {error}");
                    self.refusals.refuse(cluster.as_str(), &why);
                }
            }
        };
        select! {
            () = held => {}
            () = self.ending.cut.cancelled() => {}
        }
    }

    /// A place among the tunnels of the cluster. One agent must not use up the connections that the
    /// agents of all clusters share.
    fn place(&self, cluster: &ClusterName) -> Option<Place> {
        let known = self.clusters.find_for_agent(cluster).ok()?;
        let permit = Arc::clone(&known.tunnels).try_acquire_owned().ok()?;
        Some(Place {
            uid: known.uid().map(str::to_owned),
            gone: known.gone.clone(),
            tunnels: known.metrics.tunnels.clone(),
            astray: known.metrics.tunnels_astray.clone(),
            _permit: permit,
        })
    }

    async fn drive<IO>(&self, driver: Driver<IO>, agent: &Agent, place: &Place)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let cluster = &agent.cluster;
        // Each connection has a turn of its own, so that an agent never loses all of them at once.
        let turn = format!(
            "{cluster}/{}",
            self.attached.fetch_add(1, Ordering::Relaxed)
        );
        let turn = async {
            self.ending.turn(&turn).await;
            self.tunnels.hand_over(cluster);
        };
        let reason = select! {
            end = driver.run(turn) => match end {
                End::Closed => {
                    info!(%cluster, "agent detached");
                    "closed"
                }
                End::Dead => {
                    warn!(%cluster, "agent no longer answers pings");
                    "dead"
                }
                End::Broken(error) => {
                    warn!(%cluster, %error, "tunnel broke");
                    "broken"
                }
            },
            why = self.revoked(agent, place) => {
                let agent = agent.right.name();
                if place.gone.is_cancelled() {
                    info!(%cluster, agent, "agent detached, because the managed cluster is gone");
                } else {
                    warn!(%cluster, agent, why, "agent may no longer stay attached");
                }
                "revoked"
            }
        };
        self.metrics
            .tunnel_ends
            .get_or_create(&TunnelEndLabels { reason })
            .inc();
    }

    /// Waits until the agent may no longer stay attached. It stays if the hub cannot be asked.
    async fn revoked(&self, agent: &Agent, place: &Place) -> String {
        let uid = place.uid.as_deref();
        loop {
            if timeout(REVIEW, place.gone.cancelled()).await.is_ok() {
                return "the managed cluster is gone".to_owned();
            }
            match self.clusters.find_for_agent(&agent.cluster) {
                Ok(known) if known.uid().zip(uid).is_some_and(|(now, then)| now != then) => {
                    return "its name is that of another managed cluster now".to_owned();
                }
                Ok(_) | Err(_) => {}
            }
            match &agent.right {
                Right::User(user) => {
                    let question = Arc::new(Question {
                        user: user.clone(),
                        action: Action::attach(&agent.cluster),
                    });
                    let reviewed = Box::pin(self.authorizer.authorize(&question)).await;
                    if reviewed.is_err_and(|refusal| refusal.code() == StatusCode::FORBIDDEN) {
                        return "the hub's RBAC no longer allows it".to_owned();
                    }
                }
                Right::Certificate { chain, authority } => {
                    if let Err(error) = authority.verify(chain, UnixTime::now()) {
                        return format!("its certificate is no longer valid: {error}");
                    }
                }
            }
        }
    }
}

/// Counts a tunnel while it does not lead to the API server of its cluster.
async fn count_astray(session: &Session, gauge: &Gauge) -> Infallible {
    let mut counted = None;
    loop {
        counted = match counted {
            known @ Some(_) if session.is_aside() => known,
            None if session.is_aside() => Some(Counted::new(gauge.clone())),
            _ => None,
        };
        sleep(REVIEW).await;
    }
}

impl Right {
    fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Certificate { .. } => "by certificate",
        }
    }
}

/// Removes a session when it is over, for whatever reason.
struct Here<'a> {
    attach: &'a Attach,
    cluster: &'a ClusterName,
    session: &'a Session,
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.attach.tunnels.remove(self.cluster, self.session);
    }
}
