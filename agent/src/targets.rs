//! The targets that the tunnel may connect to: this cluster's API server and the listed services,
//! and nothing else. Names are resolved here. A listed name must not resolve to this host.

pub(crate) mod cluster_domain;
mod dialled;
mod this_host;

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tracing::debug;
use tunnel::{Dial, Refusal, Share, Target};

use self::{cluster_domain::absolute, dialled::Dialled, this_host::ThisHost};

/// The name by which a gateway asks for the local API server, whatever its address.
const APISERVER: (&str, u16) = ("kubernetes.default.svc", 443);
/// The deadline for resolving and connecting. A gateway waits a little longer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long each address is tried alone before the next one is tried too (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// How many names are resolved at once. Each lookup takes a thread.
const LOOKUPS: usize = 32;

/// The targets that this agent serves.
#[derive(Debug)]
pub(crate) struct Targets {
    apiserver: Target,
    exposed: HashSet<Target>,
    domain: String,
    this_host: ThisHost,
    lookups: Arc<Semaphore>,
}

/// How the agent sees its own network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// The DNS domain of the cluster.
    pub(crate) domain: String,
    /// The addresses of the node and of the agent's pod.
    pub(crate) own: Vec<IpAddr>,
}

impl Targets {
    pub(crate) fn new(
        apiserver: Target,
        exposed: impl IntoIterator<Item = Target>,
        network: Network,
    ) -> Self {
        let Network { domain, own } = network;
        Self {
            apiserver,
            exposed: exposed.into_iter().collect(),
            domain,
            this_host: ThisHost::new(own),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    /// The address and the trust for a requested `target`, if it is allowed.
    fn allowed<'a>(&'a self, target: &'a Target) -> Result<(&'a Target, Trust), Refusal> {
        if (target.host(), target.port()) == APISERVER {
            Ok((&self.apiserver, Trust::Any))
        } else if self.exposed.contains(target) {
            Ok((target, Trust::NotThisHost))
        } else {
            Err(Refusal::Forbidden)
        }
    }
}

/// Which addresses a name may resolve to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trust {
    /// Any address, because the agent's own configuration names the target.
    Any,
    /// No address of this host, because whoever controls the service's name could point it at the
    /// node or the agent.
    NotThisHost,
}

impl Dial for Targets {
    type Io = Dialled;

    async fn dial(&self, target: &Target, _: Share) -> Result<Dialled, Refusal> {
        let (real, trust) = self.allowed(target)?;
        timeout(DEADLINE, self.connect(real, trust))
            .await
            .unwrap_or(Err(Refusal::TimedOut))
            .map(Dialled::new)
    }
}

impl Targets {
    async fn connect(&self, target: &Target, trust: Trust) -> Result<TcpStream, Refusal> {
        let found = self
            .resolve(target)
            .await
            .map_err(|_| Refusal::Unresolvable)?;
        let allowed: Vec<_> = found
            .iter()
            .copied()
            .filter(|address| trust == Trust::Any || !self.this_host.has(address.ip()))
            .collect();
        if allowed.is_empty() {
            debug!(%target, ?found, "the agent may not connect to any address of the target");
            return Err(if found.is_empty() {
                Refusal::Unresolvable
            } else {
                Refusal::Forbidden
            });
        }
        let stream = race(allowed).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Refusal::Refused,
            io::ErrorKind::TimedOut => Refusal::TimedOut,
            _ => Refusal::Unreachable,
        })?;
        // Small writes are sent at once. If that cannot be set, the connection still works.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Resolves a name on its own thread. The lookup continues if the pipe is given up, so it holds
    /// its permit until it ends. Callers that come and go cannot start more lookups than allowed.
    async fn resolve(&self, target: &Target) -> io::Result<Vec<SocketAddr>> {
        let place = Arc::clone(&self.lookups).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let (host, port) = (absolute(target.host(), &self.domain), target.port());
        let lookup = spawn_blocking(move || {
            let _place = place;
            (host, port).to_socket_addrs().map(Iterator::collect)
        });
        lookup.await?
    }
}

/// Connects to the address that answers first. Each address has a head start over the next one.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts: FuturesUnordered<_> = (0_u32..)
        .zip(addresses)
        .map(|(place, address)| async move {
            sleep(HEAD_START * place).await;
            TcpStream::connect(address).await
        })
        .collect();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    while let Some(connected) = attempts.next().await {
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    fn network() -> Network {
        Network {
            domain: "cluster.local".to_owned(),
            own: Vec::new(),
        }
    }

    #[tokio::test]
    async fn serves_the_api_server_under_its_name_and_nothing_unlisted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let targets = Targets::new(target(&address), [], network());
        targets
            .dial(&target("kubernetes.default.svc:443"), Share::Whole)
            .await
            .unwrap();
        for name in [
            address.as_str(),
            "localhost:22",
            "kubernetes.default.svc:80",
            "web.default.svc:80",
        ] {
            let refused = targets.dial(&target(name), Share::Whole).await.unwrap_err();
            assert_eq!(refused, Refusal::Forbidden, "{name}");
        }
    }

    #[tokio::test]
    async fn a_listed_name_is_not_followed_to_this_host() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let listed = target(&format!("localhost:{port}"));
        let targets = Targets::new(target("localhost:1"), [listed.clone()], network());
        assert_eq!(
            targets.dial(&listed, Share::Whole).await.unwrap_err(),
            Refusal::Forbidden
        );
    }

    #[tokio::test]
    async fn says_what_went_wrong_with_a_dial() {
        let unknown = target("no-such-name.invalid:1");
        let targets = Targets::new(target("127.0.0.1:1"), [unknown.clone()], network());
        let apiserver = target("kubernetes.default.svc:443");
        assert_eq!(
            targets.dial(&apiserver, Share::Whole).await.unwrap_err(),
            Refusal::Refused
        );
        let unknown = targets.dial(&unknown, Share::Whole).await.unwrap_err();
        assert_eq!(unknown, Refusal::Unresolvable);
    }

    #[tokio::test]
    async fn the_second_address_serves_when_the_first_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        race(vec!["127.0.0.1:1".parse().unwrap(), good])
            .await
            .unwrap();
    }
}
