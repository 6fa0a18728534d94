//! The entrance behind the hub's API server: `clustergateways/NAME/attach`, upgraded to the
//! tunnel's protocol. The hub has authenticated the agent; hub RBAC and the agent's own user name
//! decide which cluster it may attach.

use crds::ClusterName;
use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, UPGRADE},
};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tracing::warn;
use tunnel::PROTOCOL;

use super::{Agent, Attach, Right};
use crate::{authentication::User, body::Body, status::Refusal, tunnels::identity::speaks_for};

impl Attach {
    /// Upgrades a request of `user`, whom RBAC lets attach, to a tunnel of `cluster`.
    pub(crate) fn upgrade(
        &self,
        mut request: Request<Incoming>,
        user: User,
        cluster: ClusterName,
    ) -> Result<Response<Body>, Refusal> {
        let refused = self
            .admit(&user, &cluster)
            .and_then(|()| asks_for_a_tunnel(&request));
        if let Err(refusal) = refused {
            self.metrics.attach_refusals.inc();
            warn!(%cluster, user = user.name, why = refusal.message(), "agent refused");
            return Err(refusal);
        }
        let upgraded = hyper::upgrade::on(&mut request);
        let this = self.clone();
        self.tasks.spawn(async move {
            match upgraded.await {
                Ok(io) => {
                    let agent = Agent {
                        cluster,
                        right: Right::User(user),
                    };
                    this.hold(TokioIo::new(io), &agent).await;
                }
                Err(error) => warn!(%cluster, %error, "agent went away while attaching"),
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

    fn admit(&self, user: &User, cluster: &ClusterName) -> Result<(), Refusal> {
        if speaks_for(&user.name).as_ref() != Some(cluster) {
            return Err(not_its_own(user, cluster));
        }
        if self.ending.leaving.is_cancelled() {
            let message = "this replica of the gateway is shutting down: attach again";
            let refusal = Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                message,
            );
            return Err(refusal.of_cluster(cluster).retry_after(1));
        }
        match self.clusters.find(cluster) {
            Ok(_) => Ok(()),
            Err(absent) => Err(absent.refusal(cluster)),
        }
    }
}

fn asks_for_a_tunnel(request: &Request<Incoming>) -> Result<(), Refusal> {
    let upgrade = request.headers().get(UPGRADE).map(HeaderValue::as_bytes);
    if request.version() == Version::HTTP_11 && upgrade == Some(PROTOCOL.as_bytes()) {
        return Ok(());
    }
    let message = format!("attach requires an HTTP/1.1 upgrade to {PROTOCOL}");
    Err(Refusal::new(
        StatusCode::UPGRADE_REQUIRED,
        "UpgradeRequired",
        message,
    ))
}

fn not_its_own(user: &User, cluster: &ClusterName) -> Refusal {
    let message = format!(
        "user {:?} may not attach managed cluster {:?}: an agent may attach only the cluster that \
         its user name contains: system:serviceaccount:CLUSTER:NAME or \
         system:open-cluster-management:cluster:CLUSTER:addon:NAME",
        user.name,
        cluster.as_str()
    );
    Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message).of_cluster(cluster)
}
