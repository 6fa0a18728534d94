//! Why a request got no answer from its managed cluster, and the `metav1.Status` that the caller
//! gets: status code, phase and next step. The only place that maps these errors.

use std::{borrow::Cow, sync::Arc, time::Duration};

use crds::{ClusterName, ServiceAddress};
use http::StatusCode;
use kubernetes::words::clipped;
use runtime::causes::chain;
use tunnel::{OpenError, Refusal as Refused};

use super::{headers::HeaderError, target_uri::TooLong};
use crate::{
    breaker::Open,
    clusters::Unusable,
    grants::Denied,
    seats::{Full, Whose},
    status::Refusal,
    tunnels::TunnelError,
    upstream::{ConnectError, DialError, Phase, PoolError, SendError},
};

/// A client that honours this asks ten times; more than a second would make kubectl hang on a
/// cluster that is simply down.
const RETRY_SECONDS: i32 = 1;
/// The next step if something is full.
const CLOSE: &str = "close watches and streams that are no longer needed";

/// Why an attempt is not made.
const LEFT_ALONE: &str =
    "the last attempts to connect have failed, so the gateway makes the next one in a moment";

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Unusable(Unusable),
    #[error(transparent)]
    Headers(#[from] HeaderError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("your access to it changed before it answered")]
    Revoked,
    #[error("service {0} is not exposed by the gateway")]
    NotExposed(ServiceAddress),
    #[error(
        "service {0} can be reached only through a tunnel, and this cluster is reached directly"
    )]
    NoTunnel(ServiceAddress),
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// It is not tried now.
    #[error(transparent)]
    Open(#[from] Open),
    /// No separate connection for an upgrade.
    #[error(transparent)]
    Connect(#[from] Arc<ConnectError>),
    #[error("it did not begin to answer within {} s", .0.as_secs_f32())]
    Deadline(Duration),
    #[error("you sent no more of the request's body for {} s", .0.as_secs())]
    BodyDeadline(Duration),
    #[error("its connection broke before it answered")]
    Broken(#[source] hyper::Error),
    /// It had been kept, and was closed while this one was on its way.
    #[error("its connection broke before it answered")]
    Stale(#[source] hyper::Error),
    #[error("its connections closed before they could take the request")]
    Unsent,
    /// The other end closed the connection, or refused the request, before it looked at it.
    #[error("it turned the request away before it looked at it")]
    Untaken(#[source] hyper::Error),
    #[error("it rejects the gateway's credential (401)")]
    CredentialRejected,
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unsent(_) => Self::Unsent,
            SendError::Untaken(error) => Self::Untaken(error),
            SendError::Stale(error) => Self::Stale(error),
            SendError::Broken(error) => Self::Broken(error),
        }
    }
}

/// How one failure is reported.
struct Told {
    code: StatusCode,
    reason: &'static str,
    phase: &'static str,
    next_step: Cow<'static, str>,
    retry: bool,
}

impl Failure {
    /// The answer to a caller who asked for `cluster`.
    pub(super) fn refusal(&self, cluster: &ClusterName) -> Refusal {
        let Told {
            code,
            reason,
            phase,
            next_step,
            retry,
        } = self.told();
        let error = clipped(&chain(self));
        let message = match code {
            StatusCode::BAD_REQUEST => error.clone(),
            _ => format!(
                "managed cluster {:?}: {error}; {next_step}",
                cluster.as_str()
            ),
        };
        let refusal = Refusal::new(code, reason, message)
            .of_cluster(cluster)
            .cause(phase, error);
        match self {
            Self::Open(_) => refusal
                .cause("Breaker", LEFT_ALONE)
                .retry_after(RETRY_SECONDS),
            Self::Full(full) => refusal.blames(full.field()).retry_after(full.retry_after()),
            _ if retry => refusal.retry_after(RETRY_SECONDS),
            _ => refusal,
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Unusable(unusable) => bad("Credential", unusable.next_step()),
            Self::Denied(denied) => denied_by_grants(denied),
            Self::Revoked => forbidden(
                "Grant",
                "send the request again; it gets the access that you have now",
            ),
            Self::NotExposed(_) => forbidden(
                "Service",
                "add it to the services that the gateway and the agent expose",
            ),
            Self::NoTunnel(_) => never(
                (StatusCode::NOT_FOUND, "NotFound"),
                "Service",
                "use the proxy subresource of that service at its API server",
            ),
            Self::Headers(_) => never((StatusCode::BAD_REQUEST, "BadRequest"), "Headers", ""),
            Self::TooLong(_) => never(
                (StatusCode::URI_TOO_LONG, "URITooLong"),
                "Target",
                "use a shorter selector, or fewer and shorter arguments",
            ),
            Self::Full(full) => limited(*full),
            Self::Pool(PoolError::Connect { error, .. }) | Self::Connect(error) => connect(error),
            Self::Open(open) => left_alone(open),
            Self::Pool(PoolError::Exhausted { .. }) => too_many("Pool", CLOSE),
            Self::Untaken(_) => unavailable(
                "Response",
                "its API server is restarting or closes connections to spread its load; try again",
            ),
            Self::Unsent => unavailable(
                "Connect",
                "check the network between the gateway and its API server",
            ),
            Self::Pool(PoolError::Unstable) => bad(
                "Connect",
                "check the network between the gateway and its API server",
            ),
            Self::Deadline(_) => timed_out("Response", "check the load of its API server"),
            Self::BodyDeadline(_) => {
                timed_out("RequestBody", "check the network between you and the hub")
            }
            Self::Broken(error) if error.is_timeout() => timed_out(
                "Response",
                "check the network between the gateway and its API server",
            ),
            Self::Broken(_) | Self::Stale(_) => bad(
                "Response",
                "its API server, or an agent or a replica of the gateway on the way to it, may have \
                 restarted; try again",
            ),
            Self::CredentialRejected => bad(
                "Credential",
                "renew the token or certificate in its Secret on the hub",
            ),
        }
    }
}

/// A request that fails however often it is sent.
fn never(
    (code, reason): (StatusCode, &'static str),
    phase: &'static str,
    next_step: &'static str,
) -> Told {
    Told {
        code,
        reason,
        phase,
        next_step: next_step.into(),
        retry: false,
    }
}

/// It is told as the last failure, but with the code that says that it is not tried now.
fn left_alone(open: &Open) -> Told {
    let last = connect(&open.error);
    Told {
        next_step: last.next_step,
        ..unavailable(last.phase, "")
    }
}

fn limited(full: Full) -> Told {
    let step = if full.is_of_short_requests() {
        "send fewer requests at once, or raise the limit"
    } else {
        CLOSE
    };
    match full.whose() {
        Whose::Caller => too_many("Limit", step),
        Whose::Everybody => unavailable("Limit", step),
    }
}

fn connect(error: &ConnectError) -> Told {
    match error {
        ConnectError::Dial(DialError::Tunnel(error)) => tunnel(error),
        ConnectError::Dial(DialError::Forbidden { .. }) => bad(
            "Dial",
            "allow its address in spec.egress.addresses of the GatewayConfiguration \
             (--egress-address), or let an agent open a tunnel",
        ),
        ConnectError::Dial(_) => unavailable(
            "Dial",
            "check that its API server is up and that its endpoint is correct",
        ),
        ConnectError::Tls(_) => bad(
            "TLSHandshake",
            "check that ca.crt in its Secret is the CA of its API server",
        ),
        ConnectError::Http(_) => bad("HTTPHandshake", "check what answers at its endpoint"),
        ConnectError::Deadline { phase } => {
            let phase = match phase {
                Phase::Dial => "Dial",
                Phase::Tls => "TLSHandshake",
                Phase::Http => "HTTPHandshake",
            };
            timed_out(phase, "check firewalls and routes to its endpoint")
        }
    }
}

fn tunnel(error: &TunnelError) -> Told {
    match error {
        TunnelError::Absent => no_tunnel(),
        TunnelError::Stripped => unavailable(
            "Tunnel",
            "see the agent's log, and let what stands in front of the hub's API server pass upgrades",
        ),
        TunnelError::Open(error) => no_pipe(error, "the agent reconnects by itself; try again"),
        TunnelError::Passed { source, .. } => no_pipe(source, "try again"),
    }
}

fn no_tunnel() -> Told {
    unavailable(
        "Tunnel",
        "check that its agent is running and can reach the hub",
    )
}

/// `if_broken` is the next step if the connection broke that the pipe would have gone through.
fn no_pipe(error: &OpenError, if_broken: &'static str) -> Told {
    let step = "check that its agent can reach the API server of the cluster";
    match error {
        OpenError::Closing => no_tunnel(),
        OpenError::Budget | OpenError::Refused(Refused::Busy) => too_many("Tunnel", CLOSE),
        OpenError::Deadline | OpenError::Refused(Refused::TimedOut) => timed_out("Tunnel", step),
        OpenError::Refused(Refused::Forbidden | Refused::Malformed) => {
            bad("Tunnel", "check the agent's --apiserver and --expose")
        }
        OpenError::Refused(_) => unavailable("Tunnel", step),
        OpenError::Broken(_) => bad("Tunnel", if_broken),
    }
}

fn denied_by_grants(denied: &Denied) -> Told {
    match denied {
        Denied::NotReadYet => unavailable("Grant", "try again in a moment"),
        Denied::Name(_) | Denied::Unnameable(_) => {
            forbidden("Grant", "use a hub user with another name")
        }
        Denied::Grant(obstacle) => forbidden(
            "Grant",
            format!("see `kubectl describe accessgrant {}`", obstacle.grant),
        ),
        Denied::NoGrant { caller } => forbidden(
            "Grant",
            format!(
                "ask an administrator of the hub for a grant: `kubectl gateway grant {} --role ROLE \
                 --clusters CLUSTER`",
                subject_of(caller)
            ),
        ),
    }
}

/// The user of the hub as a subject of `kubectl gateway grant`.
fn subject_of(user: &str) -> String {
    let account = user.strip_prefix("system:serviceaccount:");
    match account.and_then(|account| account.split_once(':')) {
        Some((namespace, name)) => format!("sa:{namespace}/{name}"),
        None => format!("user:{user}"),
    }
}

fn forbidden(phase: &'static str, next_step: impl Into<Cow<'static, str>>) -> Told {
    Told {
        code: StatusCode::FORBIDDEN,
        reason: "Forbidden",
        phase,
        next_step: next_step.into(),
        retry: false,
    }
}

fn bad(phase: &'static str, next_step: &'static str) -> Told {
    Told {
        code: StatusCode::BAD_GATEWAY,
        reason: "BadGateway",
        phase,
        next_step: next_step.into(),
        retry: false,
    }
}

fn unavailable(phase: &'static str, next_step: &'static str) -> Told {
    let (code, reason) = (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
    Told {
        code,
        reason,
        phase,
        next_step: next_step.into(),
        retry: true,
    }
}

fn too_many(phase: &'static str, next_step: &'static str) -> Told {
    Told {
        code: StatusCode::TOO_MANY_REQUESTS,
        reason: "TooManyRequests",
        phase,
        next_step: next_step.into(),
        retry: true,
    }
}

fn timed_out(phase: &'static str, next_step: &'static str) -> Told {
    Told {
        code: StatusCode::GATEWAY_TIMEOUT,
        reason: "Timeout",
        phase,
        next_step: next_step.into(),
        retry: false,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;

    use super::*;
    use crate::grants::{Obstacle, State};

    fn through(error: TunnelError) -> Failure {
        Failure::Connect(Arc::new(ConnectError::Dial(DialError::Tunnel(error))))
    }

    fn refused() -> Arc<ConnectError> {
        let source = io::Error::from_raw_os_error(111);
        Arc::new(ConnectError::Dial(DialError::Tcp {
            address: "10.0.0.1:6443".to_owned(),
            source,
        }))
    }

    fn obstacle(state: State) -> Arc<Obstacle> {
        Arc::new(Obstacle {
            grant: "alice-views".to_owned(),
            state,
            since: Some(jiff::Timestamp::UNIX_EPOCH),
            why: "Unreachable: its agent has not been heard of".to_owned(),
        })
    }

    fn no_grant(caller: &str) -> Denied {
        Denied::NoGrant {
            caller: caller.to_owned(),
        }
    }

    /// How a request fails if its connection breaks.
    async fn broken() -> hyper::Error {
        let (near, far) = tokio::io::duplex(64);
        let handshake = http1::handshake(TokioIo::new(near)).await;
        let (mut sender, connection) = handshake.unwrap();
        drop(far);
        let request = http::Request::new(http_body_util::Empty::<bytes::Bytes>::new());
        let (answer, _) = tokio::join!(sender.send_request(request), connection);
        answer.unwrap_err()
    }

    #[tokio::test]
    async fn a_broken_connection_is_not_blamed_on_the_api_server_alone() {
        let refusal = Failure::Broken(broken().await).refusal(&"managed1".parse().unwrap());
        let message = refusal.message();
        for who in ["API server", "agent", "replica of the gateway"] {
            assert!(message.contains(who), "{message}");
        }
        assert_eq!(refusal.code(), StatusCode::BAD_GATEWAY);
    }

    /// What grants do not allow.
    fn denials() -> [Failure; 8] {
        [
            Denied::NotReadYet,
            Denied::Name("cluster:hub:system:admin".to_owned()),
            Denied::Unnameable("a\nb".to_owned()),
            Denied::Grant(obstacle(State::Pending)),
            Denied::Grant(obstacle(State::Failed)),
            Denied::Grant(obstacle(State::Over)),
            no_grant("alice"),
            no_grant("system:serviceaccount:ci:bot"),
        ]
        .map(Failure::Denied)
    }

    /// What an administrator allows no more of, or not at all.
    fn limits() -> [Failure; 12] {
        let (waited, wait) = (Duration::from_secs(15), Duration::from_millis(2500));
        [
            Failure::Full(Full::RequestsOfUser(1000)),
            Failure::Full(Full::LongRequests(2400)),
            Failure::Full(Full::UpgradesOfUser(32)),
            Failure::Full(Full::Upgrades(256)),
            Failure::Full(Full::ShortRequestsOfUser { most: 200, waited }),
            Failure::Full(Full::ShortRequests { most: 400, waited }),
            Failure::Full(Full::ShortRequestsTotal { most: 4000, waited }),
            Failure::Full(Full::QueueOfUser(800)),
            Failure::Full(Full::Queue(8000)),
            Failure::Full(Full::RateOfUser {
                per_second: 1000,
                wait,
            }),
            Failure::Full(Full::Rate {
                per_second: 4000,
                wait,
            }),
            Failure::Unusable(Unusable::NotAllowed),
        ]
    }

    /// What is not waited for, or no longer.
    fn waits() -> [Failure; 3] {
        let since = jiff::Timestamp::UNIX_EPOCH;
        let error = refused();
        [
            Failure::Open(Open { error, since }),
            Failure::Deadline(Duration::from_millis(2500)),
            Failure::BodyDeadline(Duration::from_secs(30)),
        ]
    }

    #[test]
    fn every_failure_names_cluster_phase_and_next_step() {
        let tls = io::Error::new(
            io::ErrorKind::InvalidData,
            "invalid peer certificate: UnknownIssuer",
        );
        let secret = "credentials/managed1".to_owned();
        let failures = [
            Failure::Unusable(Unusable::Secret {
                secret,
                fault: "key token is missing or empty".to_owned(),
            }),
            Failure::Unusable(Unusable::NoToken {
                account: "managed1/cluster-gateway".to_owned(),
            }),
            Failure::Unusable(Unusable::BadToken {
                account: "managed1/cluster-gateway".to_owned(),
                fault: "key ca.crt is missing or empty".to_owned(),
            }),
            Failure::Unusable(Unusable::NoAddress("it has none at all".to_owned())),
            through(TunnelError::Absent),
            through(TunnelError::Stripped),
            through(TunnelError::Open(OpenError::Budget)),
            through(TunnelError::Open(OpenError::Deadline)),
            through(TunnelError::Open(OpenError::Refused(Refused::Forbidden))),
            through(TunnelError::Open(OpenError::Refused(Refused::Refused))),
            through(TunnelError::Open(OpenError::Refused(Refused::TimedOut))),
            through(TunnelError::Passed {
                replica: "0f3a".parse().unwrap(),
                source: OpenError::Broken(io::ErrorKind::ConnectionReset.into()),
            }),
            Failure::Pool(PoolError::Connect {
                error: refused(),
                since: jiff::Timestamp::UNIX_EPOCH,
            }),
            Failure::Connect(Arc::new(ConnectError::Tls(tls))),
            Failure::Connect(Arc::new(ConnectError::Deadline { phase: Phase::Tls })),
            Failure::Pool(PoolError::Exhausted { connections: 32 }),
            Failure::Pool(PoolError::Unstable),
            Failure::Unsent,
            Failure::TooLong(TooLong),
            Failure::NotExposed("web/front:80".parse().unwrap()),
            Failure::NoTunnel("web/front:80".parse().unwrap()),
            Failure::CredentialRejected,
            Failure::Revoked,
            Failure::Headers(HeaderError::Impersonation(http::HeaderName::from_static(
                "impersonate-user",
            ))),
        ];
        let name = "managed1".parse().unwrap();
        let told: Vec<_> = failures
            .iter()
            .chain(&denials())
            .chain(&limits())
            .chain(&waits())
            .map(|failure| {
                let refusal = failure.refusal(&name);
                format!("{} {}", refusal.code().as_u16(), refusal.message())
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
