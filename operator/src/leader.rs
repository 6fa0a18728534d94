//! Leader election: the process that holds the Lease is the only one that writes. The others watch
//! and plan too, so that each of them can take over at once.
//!
//! ```text
//!            free, or not renewed for its duration
//! waiting ──────────────────────────────────────────► leading ──► released, at the end
//!    ▲                                                   │
//!    └───────────────────────────────────────────────────┘
//!       somebody else has it, or not renewed in time
//! ```

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use runtime::causes::chain;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

const NAME: &str = "spokeway-operator";
/// A lease that was not renewed for this long is free.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long stops leading, before others may start.
const GIVE_UP: Duration = Duration::from_secs(8);
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// How often a waiting process, or a leader that cannot renew, tries again. Together with the
/// deadline of a call this is short enough that the leader stops before the lease is free.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const CALL_DEADLINE: Duration = Duration::from_secs(3);

/// A process that competes for the lease.
pub(crate) struct Candidate {
    leases: Api<Lease>,
    identity: String,
    clock: fn() -> Timestamp,
    /// The last observed state and when it was first observed. The clocks of other processes are
    /// not compared.
    seen: Option<(String, Instant)>,
    renewed: Option<Instant>,
}

/// What to do about the lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Move {
    Create,
    Take,
    Renew,
    Wait,
}

impl Candidate {
    pub(crate) fn new(
        client: Client,
        namespace: &str,
        identity: &str,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            identity: identity.to_owned(),
            clock,
            seen: None,
            renewed: None,
        }
    }

    /// Competes for the lease until `stop`, and then releases it.
    pub(crate) async fn run(mut self, leads: watch::Sender<bool>, stop: CancellationToken) {
        let mut last_fault = None;
        loop {
            let turn = timeout(CALL_DEADLINE, self.turn()).await;
            let fault = match turn {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(chain(&error)),
                Err(_) => Some("the hub did not answer in time".to_owned()),
            };
            if fault.is_some() && fault != last_fault {
                warn!(
                    fault,
                    "cannot read or renew the Lease that elects the leader"
                );
            }
            let answered = fault.is_none();
            last_fault = fault;
            self.tell(&leads);
            let pause = if answered && *leads.borrow() {
                RENEW_EVERY
            } else {
                LOOK_EVERY
            };
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
        let led = leads.send_replace(false);
        if led
            && timeout(CALL_DEADLINE, self.release())
                .await
                .is_ok_and(|it| it.is_ok())
        {
            info!(identity = self.identity, "released the Lease");
        }
    }

    fn tell(&self, leads: &watch::Sender<bool>) {
        let lead = self
            .renewed
            .is_some_and(|renewed| renewed.elapsed() < GIVE_UP);
        let changed = leads.send_if_modified(|leads| std::mem::replace(leads, lead) != lead);
        if changed && lead {
            info!(identity = self.identity, "became the leader");
        } else if changed {
            warn!(identity = self.identity, "no longer the leader");
        }
    }

    async fn turn(&mut self) -> kube::Result<()> {
        let begun = Instant::now();
        let found = self.leases.get_opt(NAME).await?;
        let chosen = self.choose(found.as_ref(), begun);
        let written = match chosen {
            Move::Wait => {
                self.renewed = None;
                return Ok(());
            }
            Move::Create => {
                let lease = self.lease(None, true);
                self.leases.create(&PostParams::default(), &lease).await
            }
            Move::Take | Move::Renew => {
                let lease = self.lease(found, chosen == Move::Take);
                self.leases
                    .replace(NAME, &PostParams::default(), &lease)
                    .await
            }
        };
        match written {
            Ok(_) => self.renewed = Some(begun),
            // Another process was faster.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                self.renewed = None;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn choose(&mut self, found: Option<&Lease>, now: Instant) -> Move {
        let Some(lease) = found else {
            return Move::Create;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        if holder == self.identity {
            return Move::Renew;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let seconds = spec
            .lease_duration_seconds
            .and_then(|it| u64::try_from(it).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs);
        if holder.is_empty() || now.duration_since(since) >= duration {
            Move::Take
        } else {
            Move::Wait
        }
    }

    fn lease(&self, found: Option<Lease>, is_new: bool) -> Lease {
        let now = MicroTime((self.clock)());
        let found = found.unwrap_or_default();
        let before = found.spec.unwrap_or_default();
        let transitions = before.lease_transitions.unwrap_or_default();
        Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                ..found.metadata
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: if is_new {
                    Some(now.clone())
                } else {
                    before.acquire_time
                },
                renew_time: Some(now),
                lease_transitions: Some(transitions + i32::from(is_new)),
                ..LeaseSpec::default()
            }),
        }
    }

    async fn release(&self) -> kube::Result<()> {
        let mut lease = self.leases.get(NAME).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_ref() == Some(&self.identity) {
            spec.holder_identity = None;
            self.leases
                .replace(NAME, &PostParams::default(), &lease)
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = Client::try_from(config).unwrap();
        Candidate::new(client, "ns", "me", || Timestamp::UNIX_EPOCH)
    }

    fn held(by: &str, version: &str) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.resource_version = Some(version.to_owned());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(by.to_owned()),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        });
        lease
    }

    #[tokio::test(start_paused = true)]
    async fn takes_what_is_free_and_waits_for_what_is_renewed() {
        let mut candidate = candidate();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(candidate.choose(None, begin), Move::Create);
        assert_eq!(candidate.choose(Some(&held("me", "1")), begin), Move::Renew);
        assert_eq!(candidate.choose(Some(&held("", "2")), begin), Move::Take);
        assert_eq!(candidate.choose(Some(&held("you", "3")), begin), Move::Wait);
        assert_eq!(
            candidate.choose(Some(&held("you", "3")), after(14)),
            Move::Wait
        );
        assert_eq!(
            candidate.choose(Some(&held("you", "4")), after(16)),
            Move::Wait
        );
        assert_eq!(
            candidate.choose(Some(&held("you", "4")), after(30)),
            Move::Wait
        );
        assert_eq!(
            candidate.choose(Some(&held("you", "4")), after(31)),
            Move::Take
        );
    }
}
