//! Shows OCM which add-ons work: a Lease on the managed cluster that has the add-on's name, in the
//! namespace where the add-on is installed. The agent renews it only while everything that the
//! add-on requires works. If a Lease is not renewed, the hub reports the add-on as unavailable
//! after five minutes.

mod addon;
mod owner;
mod tunnel;

use std::time::Duration;

use backon::{BackoffBuilder as _, ConstantBuilder};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use kubernetes::{clock::now, pauses::Pauses};
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use serde_json::{Value, json};
use tokio::{
    sync::{OnceCell, watch as channel},
    time::{Instant, sleep_until, timeout},
};
use tracing::{info, warn};

pub(crate) use self::{
    addon::{Addon, AddonError, Capability},
    owner::Owner,
    tunnel::TunnelProbe,
};
use crate::spoke::Spoke;

/// With jitter, a lease is renewed every 40 to 80 s. OCM expects a renewal each minute and waits
/// for five.
const PAUSE: Duration = Duration::from_secs(40);
/// If something does not work, it is checked again sooner, because somebody waits for it.
const FIRST_PAUSE_OF_BROKEN: Duration = Duration::from_secs(2);
const LONGEST_PAUSE_OF_BROKEN: Duration = Duration::from_secs(32);
const DURATION_SECONDS: i32 = 60;
const ASK_DEADLINE: Duration = Duration::from_secs(10);
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
const FIELD_MANAGER: &str = "spokeway-agent";

/// Which leases to renew.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LeaseSettings {
    /// The namespace on the managed cluster where the add-ons are installed.
    pub(crate) namespace: String,
    /// The holder identity in the leases.
    pub(crate) holder: String,
    /// The add-ons whose leases this agent renews.
    pub(crate) addons: Vec<Addon>,
}

/// Renews the leases of this agent's add-ons.
pub(crate) struct Leases {
    /// The client of the managed cluster.
    pub(crate) spoke: channel::Receiver<Spoke>,
    pub(crate) settings: LeaseSettings,
    pub(crate) tunnel: Option<TunnelProbe>,
    pub(crate) hub: channel::Receiver<Client>,
    /// Whether tokens can be managed now. `None` if the agent does not manage tokens.
    pub(crate) tokens: Option<channel::Receiver<bool>>,
    pub(crate) metrics: LeaseMetrics,
    /// The owner of the leases. Empty until the managed cluster has answered.
    pub(crate) owner: OnceCell<Option<Owner>>,
}

/// When a lease is due next, and the result of its last turn.
struct Turn {
    next: Instant,
    pauses_of_broken: Pauses,
    told: Option<Result<(), Idle>>,
}

/// The metrics of the leases.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeaseMetrics {
    /// How many times a lease was written.
    pub(crate) renewals: Counter,
    /// How many times a lease was not renewed because something did not work or the write failed.
    pub(crate) failures: Counter,
}

/// Why a lease is not renewed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Idle {
    #[error("{0}")]
    Tunnel(String),
    #[error("the agent cannot manage tokens; see its log entries about tokens")]
    Tokens,
    #[error("the hub does not answer: {0}")]
    Hub(String),
    #[error("this agent is not configured to do what the add-on requires")]
    Off,
    #[error("cannot write the Lease on the managed cluster: {0}")]
    Write(String),
}

impl Leases {
    /// Renews the leases until it is dropped.
    pub(crate) async fn keep(self) {
        let mut pauses = ConstantBuilder::default()
            .with_delay(PAUSE)
            .with_jitter()
            .without_max_times()
            .build();
        let mut turns: Vec<_> = self.settings.addons.iter().map(|_| Turn::now()).collect();
        loop {
            for (addon, turn) in self.settings.addons.iter().zip(&mut turns) {
                if turn.next > Instant::now() {
                    continue;
                }
                let renewed = self.renew(addon).await;
                let pause = if renewed.is_ok() {
                    turn.pauses_of_broken = pauses_of_broken();
                    pauses.next()
                } else {
                    turn.pauses_of_broken.next()
                };
                turn.next = Instant::now() + pause.unwrap_or(PAUSE);
                if turn.told.as_ref() != Some(&renewed) {
                    tell(addon, &renewed);
                    turn.told = Some(renewed);
                }
            }
            let next = turns.iter().map(|turn| turn.next).min();
            sleep_until(next.unwrap_or_else(|| Instant::now() + PAUSE)).await;
        }
    }

    async fn renew(&self, addon: &Addon) -> Result<(), Idle> {
        let renewed = async {
            for need in &addon.needs {
                self.works(*need).await?;
            }
            self.write(addon).await
        }
        .await;
        match &renewed {
            Ok(()) => self.metrics.renewals.inc(),
            Err(_) => self.metrics.failures.inc(),
        };
        renewed
    }

    async fn works(&self, capability: Capability) -> Result<(), Idle> {
        match capability {
            Capability::Tunnel => {
                let probe = self.tunnel.as_ref().ok_or(Idle::Off)?;
                let probed = probe.run().await;
                probed.map_err(|error| Idle::Tunnel(error.to_string()))
            }
            Capability::Tokens => match &self.tokens {
                None => Err(Idle::Off),
                Some(working) if *working.borrow() => Ok(()),
                Some(_) => Err(Idle::Tokens),
            },
            Capability::Hub => self.hub_answers().await,
        }
    }

    async fn hub_answers(&self) -> Result<(), Idle> {
        // The borrow must not be held across an await.
        let hub = self.hub.borrow().clone();
        match timeout(ASK_DEADLINE, hub.apiserver_version()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Idle::Hub(error.to_string())),
            Err(late) => Err(Idle::Hub(late.to_string())),
        }
    }

    async fn write(&self, addon: &Addon) -> Result<(), Idle> {
        let name = &addon.name;
        let namespace = addon.namespace.as_ref().unwrap_or(&self.settings.namespace);
        // The borrow must not be held across an await.
        let spoke = self.spoke.borrow().client.clone();
        let written = async {
            // API servers before 1.28 cannot answer this. Then the lease has no owner.
            let asked = self.owner.get_or_try_init(|| Owner::ask(spoke.clone()));
            let owner = asked.await.ok().and_then(Option::as_ref);
            let owners = owner.and_then(|owner| owner.references(namespace));
            let lease = Patch::Apply(lease(name, &self.settings.holder, owners, now()));
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let leases = Api::<Lease>::namespaced(spoke, namespace);
            leases.patch(name, &params, &lease).await
        };
        match timeout(WRITE_DEADLINE, written).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Idle::Write(error.to_string())),
            Err(_) => Err(Idle::Write(format!(
                "the API server did not answer within {} s",
                WRITE_DEADLINE.as_secs()
            ))),
        }
    }
}

impl Turn {
    fn now() -> Self {
        Self {
            next: Instant::now(),
            pauses_of_broken: pauses_of_broken(),
            told: None,
        }
    }
}

impl LeaseMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("agent_lease");
        let help = "Renewals of add-on Leases";
        registry.register("renewals", help, metrics.renewals.clone());
        let help = "Add-on Leases that were not renewed because something does not work";
        registry.register("failures", help, metrics.failures.clone());
        metrics
    }
}

fn pauses_of_broken() -> Pauses {
    Pauses::new(FIRST_PAUSE_OF_BROKEN, LONGEST_PAUSE_OF_BROKEN)
}

fn lease(name: &str, holder: &str, owners: Option<Value>, now: Timestamp) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "ownerReferences": owners.unwrap_or_else(|| json!([]))},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION_SECONDS,
            "renewTime": format!("{now:.6}"),
        },
    })
}

fn tell(addon: &Addon, renewed: &Result<(), Idle>) {
    let addon = addon.name.as_str();
    match renewed {
        Ok(()) => info!(addon, "the add-on works; renewing its Lease"),
        Err(why) => warn!(addon, %why, "the add-on does not work; its Lease is not renewed"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    const NOBODY: &[u8] =
        br#"{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}"#;

    /// The leases of an add-on with these requirements, and a fake managed cluster that counts
    /// requests and answers them with `code`.
    fn leases(needs: &str, code: u16) -> (Leases, channel::Sender<bool>, Arc<AtomicUsize>) {
        let asked = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&asked);
        let server = service_fn(move |request: http::Request<Body>| {
            let answer = http::Response::builder();
            let answer = if request.uri().path().ends_with("/selfsubjectreviews") {
                answer.body(Body::from(NOBODY.to_vec())).unwrap()
            } else {
                assert_eq!(request.method(), http::Method::PATCH);
                assert!(request.uri().path().ends_with("/leases/addon"));
                counted.fetch_add(1, Ordering::Relaxed);
                let body = Body::from(b"{}".to_vec());
                answer.status(code).body(body).unwrap()
            };
            std::future::ready(Ok::<_, std::io::Error>(answer))
        });
        let client = Client::new(server, "default");
        let hub = channel::channel(client.clone()).1;
        let spoke = Spoke {
            client,
            authority: Arc::default(),
        };
        let (working, tokens) = channel::channel(false);
        let settings = LeaseSettings {
            namespace: "addons".to_owned(),
            holder: "agent-1".to_owned(),
            addons: vec![format!("addon={needs}").parse().unwrap()],
        };
        let leases = Leases {
            spoke: channel::channel(spoke).1,
            settings,
            tunnel: None,
            hub,
            tokens: Some(tokens),
            metrics: LeaseMetrics::default(),
            owner: OnceCell::new(),
        };
        (leases, working, asked)
    }

    #[tokio::test]
    async fn a_lease_is_renewed_only_while_what_it_stands_for_works() {
        let (leases, working, asked) = leases("tokens", 200);
        let addon = &leases.settings.addons[0];
        let mut renewals = 0;
        for works in [false, true, false, true] {
            working.send_replace(works);
            renewals += usize::from(works);
            assert_eq!(leases.renew(addon).await.is_ok(), works);
            assert_eq!(asked.load(Ordering::Relaxed), renewals);
        }
        assert_eq!(
            (leases.metrics.renewals.get(), leases.metrics.failures.get()),
            (2, 2)
        );
    }

    #[tokio::test]
    async fn a_lease_for_what_is_off_or_cannot_be_written_is_no_renewal() {
        let (off, _working, asked) = leases("tunnel+tokens", 200);
        let renewed = off.renew(&off.settings.addons[0]).await;
        assert_eq!(
            (renewed, asked.load(Ordering::Relaxed)),
            (Err(Idle::Off), 0)
        );
        let (refused, working, asked) = leases("tokens", 403);
        working.send_replace(true);
        let renewed = refused.renew(&refused.settings.addons[0]).await;
        assert!(matches!(renewed, Err(Idle::Write(_))), "{renewed:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_lease_says_who_and_when_to_the_microsecond() {
        let now: Timestamp = "2026-01-02T03:04:05.6789Z".parse().unwrap();
        let lease = lease("cluster-proxy", "agent-1", None, now);
        let lease: Lease = serde_json::from_value(lease).unwrap();
        let spec = lease.spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("agent-1"));
        assert_eq!(spec.renew_time.unwrap().0, now);
    }
}
