//! The audit log: one event of `audit.k8s.io/v1` for each request that is proxied to a managed
//! cluster, as one line of JSON. It tells who did what on which cluster, and never a header, a body
//! or the value of a query parameter that could be a secret.
//!
//! ```text
//!  request ──policy──► Pending ──its last holder lets go──► Queue ──► writer (a thread) ──► file
//! ```
//!
//! A request never waits for it. What the queue or the disk cannot take is counted and told.

mod complaint;
mod event;
mod file;
mod object;
mod pending;
mod policy;
mod queue;
mod shown_uri;
mod writer;

use std::{fs, io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use http::Request;
use jiff::Timestamp;
use tokio::time::timeout;
use tracing::{info, warn};

pub(crate) use self::pending::Pending;
use self::{
    event::{Facts, audit_id},
    file::{AuditFile, Rotation},
    object::Object,
    policy::{Policy, PolicyError, Ruling},
    queue::Queue,
    writer::{Sink, start},
};
use crate::{
    args::{AuditDestination, AuditSettings},
    authorization::Question,
    destination::Destination,
    metrics::Metrics,
    request_info::decoded,
};

/// How long the last events may take to be written when the process ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where requests are recorded, if they are. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit(Option<Arc<Trail>>);

#[derive(Debug)]
struct Trail {
    policy: Policy,
    queue: Queue,
    clock: fn() -> Timestamp,
}

/// The audit log cannot be written as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    #[error("cannot read the audit policy {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the audit policy {}: {source}", path.display())]
    Policy { path: PathBuf, source: PolicyError },
    #[error("cannot open the audit log {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot start the writer of the audit log: {0}")]
    Thread(io::Error),
}

impl Audit {
    /// Begins to record as `settings` say.
    pub(crate) fn open(
        settings: &AuditSettings,
        metrics: &Metrics,
        clock: fn() -> Timestamp,
    ) -> Result<Self, AuditError> {
        let policy = policy(settings.policy.as_ref())?;
        let sink: Box<dyn Sink> = match &settings.destination {
            AuditDestination::Stdout => Box::new(io::stdout()),
            AuditDestination::File(path) => {
                let rotation = Rotation {
                    bytes: settings.max_bytes,
                    backups: settings.backups,
                    clock,
                };
                let opened = AuditFile::open(path.clone(), rotation);
                Box::new(opened.map_err(|source| AuditError::Open {
                    path: path.clone(),
                    source,
                })?)
            }
        };
        info!(to = %settings.destination, "requests are recorded in the audit log");
        Self::into(sink, policy, metrics, clock).map_err(AuditError::Thread)
    }

    fn into(
        sink: Box<dyn Sink>,
        policy: Policy,
        metrics: &Metrics,
        clock: fn() -> Timestamp,
    ) -> io::Result<Self> {
        let queue = start(sink, metrics.audit.clone())?;
        Ok(Self(Some(Arc::new(Trail {
            policy,
            queue,
            clock,
        }))))
    }

    /// Begins the record of one request. From now on, the request has an Audit-ID, which the managed
    /// cluster gets as well. `None` if the policy wants no record of it.
    pub(crate) fn begin<B>(
        &self,
        request: &mut Request<B>,
        peer: IpAddr,
        question: &Arc<Question>,
        to: &Destination,
    ) -> Option<Arc<Pending>> {
        let trail = self.0.as_ref()?;
        // It is shared with the request, not copied.
        let uri = request.uri().clone();
        let (path, query) = (decoded(to.tail(uri.path())), uri.query());
        let object = Object::read(request.method(), &path, query, to.service.as_ref());
        let Ruling::Record { omitted } = trail.policy.ruling(&question.user, &object) else {
            return None;
        };
        let lasts = object.lasts();
        let id = audit_id(request.headers_mut());
        let received = (trail.clock)();
        let facts = Facts::new(id, request, peer, question, to, received);
        let trail = Arc::clone(trail);
        Some(Arc::new(Pending::new(trail, facts, omitted, lasts)))
    }

    /// Waits until everything so far is written, for a short time.
    pub(crate) async fn close(&self) {
        let Some(trail) = &self.0 else { return };
        if timeout(FAREWELL, trail.queue.flush()).await.is_err() {
            warn!("the last events of the audit log could not be written in time");
        }
    }
}

fn policy(path: Option<&PathBuf>) -> Result<Policy, AuditError> {
    let Some(path) = path else {
        return Ok(Policy::everything());
    };
    let text = fs::read_to_string(path).map_err(|source| AuditError::Read {
        path: path.clone(),
        source,
    })?;
    let policy = Policy::parse(&text).map_err(|source| AuditError::Policy {
        path: path.clone(),
        source,
    })?;
    for rule in policy.lowered() {
        warn!(
            rule,
            "the audit policy asks for bodies, which are never recorded: this rule counts as Metadata"
        );
    }
    Ok(policy)
}

#[cfg(test)]
mod tests;
