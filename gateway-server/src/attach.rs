//! The entrance for agents behind the hub's API server: `clustergateways/NAME/attach`, upgraded to
//! the tunnel's protocol. The hub has authenticated the agent; hub RBAC and the agent's own user name
//! decide what it may attach, and are asked again for as long as it stays.

use std::{sync::Arc, time::Duration};

use crds::ClusterName;
use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, UPGRADE},
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::{select, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use tunnel::{Driver, End, Hello, PROTOCOL, Session};

use crate::{
    authentication::User,
    authorization::{Action, Authorizer},
    body::Body,
    clusters::Clusters,
    metrics::{Metrics, TunnelEndLabels},
    status::Refusal,
    tunnels::{Tunnels, identity::speaks_for},
};

/// How often an attached agent's right to be is looked at again.
const REVIEW: Duration = Duration::from_secs(5);

/// Takes agents in.
#[derive(Clone, Debug)]
pub(crate) struct Attach {
    pub(crate) tunnels: Tunnels,
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) authorizer: Authorizer,
    pub(crate) metrics: Metrics,
    /// Holds the sessions.
    pub(crate) tasks: TaskTracker,
    /// Agents are to go elsewhere; pipes may finish.
    pub(crate) drain: CancellationToken,
    /// Sessions end now.
    pub(crate) cut: CancellationToken,
}

/// An agent and what it may do.
struct Agent {
    user: User,
    cluster: ClusterName,
}

impl Attach {
    /// Upgrades a request of `user`, who is authorised for it already, to a tunnel of `cluster`.
    pub(crate) fn upgrade(
        &self,
        mut request: Request<Incoming>,
        user: User,
        cluster: ClusterName,
    ) -> Result<Response<Body>, Refusal> {
        if speaks_for(&user.name).as_ref() != Some(&cluster) {
            self.metrics.attach_refusals.inc();
            warn!(%cluster, user = user.name, "an agent tried to attach as another cluster");
            return Err(not_its_own(&user, &cluster));
        }
        if self.clusters.find(&cluster).is_none() {
            self.metrics.attach_refusals.inc();
            return Err(Refusal::unknown_cluster(&cluster));
        }
        let upgrade = request.headers().get(UPGRADE).map(HeaderValue::as_bytes);
        if request.version() != Version::HTTP_11 || upgrade != Some(PROTOCOL.as_bytes()) {
            let message = format!("attach wants an HTTP/1.1 upgrade to {PROTOCOL}");
            return Err(Refusal::new(
                StatusCode::UPGRADE_REQUIRED,
                "UpgradeRequired",
                message,
            ));
        }
        let upgraded = hyper::upgrade::on(&mut request);
        let this = self.clone();
        self.tasks.spawn(async move {
            let agent = Agent { user, cluster };
            select! {
                () = this.hold(upgraded, &agent) => {}
                () = this.cut.cancelled() => {}
            }
        });
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        response
            .headers_mut()
            .insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
        Ok(response)
    }

    /// Holds one session until it is over or no longer allowed.
    async fn hold(&self, upgraded: OnUpgrade, agent: &Agent) {
        let cluster = &agent.cluster;
        let budget = self.tunnels.budget(cluster);
        let upgraded = match upgraded.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return warn!(%cluster, %error, "agent went away while attaching"),
        };
        match Session::attach(upgraded, &Hello::default(), budget.clone()).await {
            Ok((session, driver)) => {
                self.tunnels.add(cluster, session.clone(), budget, now());
                let _here = Here {
                    attach: self,
                    cluster,
                    session: &session,
                };
                info!(%cluster, user = agent.user.name, "agent attached");
                self.drive(driver, agent).await;
            }
            Err(error) => {
                self.metrics.attach_refusals.inc();
                warn!(%cluster, %error, "agent did not finish attaching");
            }
        }
    }

    async fn drive<IO>(&self, driver: Driver<IO>, agent: &Agent)
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let cluster = &agent.cluster;
        let reason = select! {
            end = driver.run(self.drain.cancelled()) => match end {
                End::Closed => {
                    info!(%cluster, "agent detached");
                    "closed"
                }
                End::Dead => {
                    warn!(%cluster, "agent answers no ping any more");
                    "dead"
                }
                End::Broken(error) => {
                    warn!(%cluster, %error, "tunnel broke");
                    "broken"
                }
            },
            why = self.revoked(agent) => {
                warn!(%cluster, user = agent.user.name, why, "agent may no longer be attached");
                "revoked"
            }
        };
        self.metrics
            .tunnel_ends
            .get_or_create(&TunnelEndLabels { reason })
            .inc();
    }

    /// Waits until the agent may no longer be attached. Not being able to ask is no reason.
    async fn revoked(&self, agent: &Agent) -> &'static str {
        loop {
            sleep(REVIEW).await;
            if self.clusters.find(&agent.cluster).is_none() {
                return "the managed cluster is gone";
            }
            let action = Action::attach(&agent.cluster);
            let reviewed = self.authorizer.authorize(agent.user.clone(), action).await;
            if reviewed.is_err_and(|refusal| refusal.code() == StatusCode::FORBIDDEN) {
                return "the hub's RBAC no longer allows it";
            }
        }
    }
}

fn not_its_own(user: &User, cluster: &ClusterName) -> Refusal {
    let message = format!(
        "user {:?} may not attach managed cluster {:?}: an agent attaches only the cluster that its \
         own user name has, as system:serviceaccount:CLUSTER:NAME or \
         system:open-cluster-management:cluster:CLUSTER:addon:NAME",
        user.name,
        cluster.as_str()
    );
    Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message).of_cluster(cluster)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the time of an attachment enters"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Counts a session, and lets go of it when it is over, however that came.
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
