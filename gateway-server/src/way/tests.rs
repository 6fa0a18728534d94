use std::{
    future::pending,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    io::{DuplexStream, duplex},
    net::TcpListener,
    task::{JoinSet, yield_now},
};
use tunnel::{Budget, Dial, Hello, Phase, Refusal, Session, Share, Target as TunnelTarget, serve};

use super::*;
use crate::{
    tunnels::{TunnelDialer, Tunnels},
    upstream::{Health, Reach},
};

/// A target that speaks plain HTTP/1.1, which connects without waiting for the other end.
fn target(port: u16) -> Target {
    Target {
        authority: format!("127.0.0.1:{port}").parse().unwrap(),
        base_path: String::new(),
        dialer: Dialer::Direct {
            host: "127.0.0.1".to_owned(),
            port,
            reach: Reach::Anywhere,
        },
        tls: None,
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port that nobody listens on.
async fn dead() -> u16 {
    listener().await.1
}

fn way(tunnel: Option<Target>, direct: &[u16]) -> Arc<Way> {
    let direct = direct.iter().map(|port| target(*port)).collect();
    let places = Places { tunnel, direct };
    Arc::new(Way::new(places, TaskTracker::new(), CancellationToken::new()).unwrap())
}

fn port(upstream: &Upstream) -> u16 {
    upstream.target.authority.port_u16().unwrap()
}

#[tokio::test]
async fn a_dead_address_hands_over_to_the_next_and_is_not_tried_again_at_once() {
    let (first, (_listener, second)) = (dead().await, listener().await);
    let way = way(None, &[first, second]);
    assert_eq!(port(&way.current()), first);
    let Leased { upstream, pooled } = way.lease(Wanted::Any).await.unwrap();
    assert_eq!((port(&upstream), port(&way.current())), (second, second));
    drop(pooled);
    let Health::Failing { since, .. } = way.direct[0].upstream.sighting().health else {
        panic!("the first address was not tried");
    };
    let leased = way.lease(Wanted::Any).await.unwrap();
    let upgradable = way.upgradable().await.unwrap();
    let ports = (port(&leased.upstream), port(&upgradable.upstream));
    assert_eq!(ports, (second, second));
    let health = way.direct[0].upstream.sighting().health;
    assert!(matches!(health, Health::Failing { since: still, .. } if still == since));
}

#[tokio::test]
async fn when_all_are_dead_the_first_failure_is_told() {
    let (first, second) = (dead().await, dead().await);
    let error = way(None, &[first, second])
        .lease(Wanted::Any)
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&first.to_string()), "{error}");
}

#[tokio::test]
async fn a_tunnel_without_an_agent_is_no_way_while_there_are_addresses() {
    let (_listener, address) = listener().await;
    let tunnels = Tunnels::new(0, 0);
    let tunnel = Target {
        dialer: Dialer::Tunnel(TunnelDialer::apiserver(
            &"managed1".parse().unwrap(),
            &tunnels,
        )),
        ..target(443)
    };
    let both = way(Some(tunnel.clone()), &[address]);
    assert_eq!(
        port(&both.lease(Wanted::Any).await.unwrap().upstream),
        address
    );
    let only = way(Some(tunnel), &[]);
    let error = only.lease(Wanted::Any).await.unwrap_err().to_string();
    assert!(
        error.contains("no agent of this cluster is connected"),
        "{error}"
    );
}

/// An agent of `managed1`, which may be cut off from its API server.
#[derive(Default)]
struct Agent {
    works: AtomicBool,
    asked: AtomicUsize,
    open: Mutex<Vec<DuplexStream>>,
}

impl Dial for Agent {
    type Io = DuplexStream;

    async fn dial(&self, _: &TunnelTarget, _: Share) -> Result<DuplexStream, Refusal> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.works.load(Ordering::SeqCst) {
            return Err(Refusal::TimedOut);
        }
        let (far, near) = duplex(1024);
        self.open.lock().push(far);
        Ok(near)
    }
}

/// A tunnel with an agent at its end, and what moves its bytes.
async fn attached() -> (Target, Arc<Agent>, JoinSet<()>) {
    let (name, tunnels) = ("managed1".parse().unwrap(), Tunnels::new(1 << 30, 1 << 30));
    let (agent, budget) = (Arc::<Agent>::default(), tunnels.budget(&name));
    let (near, far) = duplex(64 << 10);
    let (mut moving, dial) = (JoinSet::new(), Arc::clone(&agent));
    moving.spawn(async move {
        let (phase, _) = tokio::sync::watch::channel(Phase::Greeting);
        let (hello, budget) = (Hello::default(), Budget::new(1 << 30));
        let _ = serve(far, &hello, dial, &budget, phase, pending()).await;
    });
    let attached = Session::attach(near, &Hello::default(), budget.clone()).await;
    let (session, driver) = attached.unwrap();
    moving.spawn(async move {
        driver.run(pending()).await;
    });
    tunnels.add(&name, session, budget, None);
    let tunnel = Target {
        dialer: Dialer::Tunnel(TunnelDialer::apiserver(&name, &tunnels)),
        ..target(443)
    };
    (tunnel, agent, moving)
}

#[tokio::test]
async fn a_tunnel_that_leads_nowhere_is_passed_over_until_it_leads_there_again() {
    let ((_listener, address), (tunnel, agent, _moving)) = (listener().await, attached().await);
    let way = way(Some(tunnel), &[address]);
    for _ in 0..10 {
        let leased = way.lease(Wanted::Any).await.unwrap();
        assert_eq!(port(&leased.upstream), address);
        let upgradable = way.upgradable().await.unwrap();
        assert_eq!(port(&upgradable.upstream), address);
    }
    assert_eq!(agent.asked.load(Ordering::SeqCst), 1);
    assert_eq!(port(&way.current()), address);

    // It is tried again beside a request, once.
    rest().await;
    for _ in 0..10 {
        let leased = way.lease(Wanted::Any).await.unwrap();
        assert_eq!(port(&leased.upstream), address);
    }
    while agent.asked.load(Ordering::SeqCst) < 2 {
        yield_now().await;
    }
    agent.works.store(true, Ordering::SeqCst);
    rest().await;
    let leased = way.lease(Wanted::Any).await.unwrap();
    assert_eq!(port(&leased.upstream), address);
    while port(&way.current()) == address {
        yield_now().await;
    }
    assert_eq!(agent.asked.load(Ordering::SeqCst), 3);
    assert_eq!(port(&way.lease(Wanted::Any).await.unwrap().upstream), 443);
}

/// Lets the time pass after which what has failed is tried again.
async fn rest() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(5)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_tunnel_that_fails_once_does_not_send_requests_to_a_dead_address_again() {
    let (dead, (tunnel, agent, _moving)) = (dead().await, attached().await);
    let way = way(Some(tunnel), &[dead]);
    let error = way.lease(Wanted::Any).await.unwrap_err().to_string();
    assert!(error.contains("through the tunnel"), "{error}");
    agent.works.store(true, Ordering::SeqCst);
    rest().await;
    assert_eq!(port(&way.lease(Wanted::Any).await.unwrap().upstream), 443);
    let health = way.direct[0].upstream.sighting();
    let attempted = health.attempted;
    assert_eq!(port(&way.lease(Wanted::Any).await.unwrap().upstream), 443);
    assert_eq!(way.direct[0].upstream.sighting().attempted, attempted);
}

#[tokio::test]
async fn places_that_stay_keep_their_connections_and_record() {
    let (first, (_listener, second)) = (dead().await, listener().await);
    let old = way(None, &[first, second]);
    drop(old.lease(Wanted::Any).await.unwrap());
    let places = Places {
        tunnel: None,
        direct: vec![target(first), target(1), target(second)],
    };
    let new = old.moved(places).unwrap();
    assert!(Arc::ptr_eq(&old.direct[1], &new.direct[2]));
    assert_eq!(port(&new.current()), second);
    let same = new.moved(new.places.clone()).unwrap();
    assert!(Arc::ptr_eq(&new, &same));
}
