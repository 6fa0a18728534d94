//! exec, attach, port-forward and cp: a request that turns its connection into a byte pipe. It gets
//! an HTTP/1.1 connection of its own, and once both ends agreed, bytes go both ways until both are
//! done; one end may finish sending long before the other.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{select, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    exchange::Exchange,
    failure::Failure,
    headers::{self, Upgrade},
    splice::splice,
    target_uri,
};
use crate::{
    acting::{Tether, cut_of},
    audit::Pending,
    body::Body,
    metrics::{Counted, Counter},
    seats::Seat,
    upstream::{RequestBody, SendError},
    way::Upgradable,
};

impl Exchange<'_> {
    /// Forwards a request that wants to upgrade.
    pub(super) async fn upgrade(
        &self,
        mut request: Request<RequestBody>,
        upgrade: Upgrade,
    ) -> Result<Response<Body>, Failure> {
        let caller = hyper::upgrade::on(&mut request);
        upgrade.set(request.headers_mut());
        let Upgradable {
            upstream,
            mut sender,
        } = self.upgradable().await?;
        target_uri::to_http1(&mut request, &self.asked.of(&upstream)?);
        let deadline = self.outbound.head_deadline;
        let answered = timeout(deadline, sender.try_send_request(request)).await;
        let mut response = answered
            .map_err(|_| Failure::Deadline(deadline))?
            .map_err(SendError::of)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.answer(response, &upstream, None).await;
        }
        let agreed = Upgrade::requested(response.headers());
        let pipe = Pipe {
            caller,
            spoke: hyper::upgrade::on(&mut response),
            cut: self.outbound.ending.cut.clone(),
            gone: self.way.gone().clone(),
            tether: self.tether.clone(),
            seat: Arc::clone(&self.seat),
            pending: self.pending.clone(),
            open: Counted::new(self.cluster.metrics.upgrades.clone()),
            bytes: self.cluster.metrics.response_bytes.clone(),
        };
        self.outbound.tasks.spawn(pipe.run());
        let (mut head, _) = response.into_parts();
        headers::to_caller(&mut head.headers);
        if let Some(agreed) = agreed {
            agreed.set(&mut head.headers);
        }
        Ok(Response::from_parts(head, Body::Empty))
    }
}

impl Exchange<'_> {
    /// A connection of its own, unless the cluster is left alone for a moment.
    async fn upgradable(&self) -> Result<Upgradable, Failure> {
        let attempt = self.attempt()?;
        let upgradable = self.way.upgradable().await;
        match (&upgradable, attempt) {
            (Ok(_), Some(attempt)) => attempt.worked(),
            (Err(error), Some(attempt)) => attempt.failed(error),
            (_, None) => {}
        }
        Ok(upgradable?)
    }
}

/// The two ends of an upgraded request.
struct Pipe {
    caller: OnUpgrade,
    spoke: OnUpgrade,
    cut: CancellationToken,
    /// The managed cluster is gone.
    gone: CancellationToken,
    /// Ends it, if there are grants.
    tether: Option<Arc<Tether>>,
    seat: Arc<Seat>,
    pending: Option<Arc<Pending>>,
    open: Counted,
    bytes: Counter,
}

impl Pipe {
    async fn run(self) {
        let Self {
            caller,
            spoke,
            cut,
            gone,
            tether,
            seat: _seat,
            pending: _pending,
            open: _open,
            bytes,
        } = self;
        let copied = async {
            let (caller, spoke) = tokio::try_join!(caller, spoke)?;
            splice(TokioIo::new(caller), TokioIo::new(spoke), bytes)
                .await
                .map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        };
        select! {
            copied = copied => if let Err(error) = copied {
                debug!(%error, "upgraded connection ended");
            },
            () = cut.cancelled() => {}
            () = gone.cancelled() => {}
            () = cut_of(tether.as_deref()) => {}
        }
    }
}
