//! What gateways say of themselves and of each other.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, duplex},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use tunnel::{
    Budget, Dial, Driver, End, Hello, Liveness, Phase, Refusal, Replica, Session, Target, serve,
};

use super::{
    ends::{Ends, Targets, target},
    wire::{Passes, wire},
};

/// Another gateway, which notices that we are gone as soon as gateways do.
struct Peer(Targets);

impl Dial for Peer {
    type Io = <Targets as Dial>::Io;
    const LIVENESS: Liveness = Liveness::PEER;

    async fn dial(&self, target: &Target) -> Result<Self::Io, Refusal> {
        if target.host() == "elsewhere" {
            return Err(Refusal::Absent);
        }
        self.0.dial(target).await
    }
}

fn replica(id: &str, of: u16) -> Hello {
    Hello {
        replica: Some(Replica {
            id: id.parse().unwrap(),
            of,
        }),
        ..Hello::default()
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_hears_which_replica_it_is_attached_to_and_how_many_there_are() {
    let (near, far) = duplex(4096);
    let (sender, mut phase) = watch::channel(Phase::Greeting);
    let mut ends = JoinSet::new();
    ends.spawn(async move {
        let (hello, budget) = (Hello::default(), Budget::new(0));
        let served = serve(
            far,
            &hello,
            Arc::<Targets>::default(),
            &budget,
            sender,
            pending(),
        );
        served.await.unwrap();
    });
    let attached = Session::attach(near, &replica("a", 1), Budget::new(0)).await;
    let (session, driver): (_, Driver<_>) = attached.unwrap();
    assert_eq!(session.replica(), None, "an agent is no replica");
    let (replicas, told) = watch::channel(1);
    ends.spawn(async move {
        driver.telling(told).run(pending()).await;
    });
    let mut of = async |wanted| {
        let is_it = |phase: &Phase| matches!(phase, Phase::Attached { replica: Some(it), .. } if it.of == wanted);
        phase.wait_for(is_it).await.unwrap();
    };
    of(1).await;
    replicas.send_replace(3);
    of(3).await;
    replicas.send_replace(2);
    of(2).await;
}

#[tokio::test]
async fn a_gateway_learns_whom_it_has_dialled_and_that_a_cluster_is_not_there() {
    let (near, far) = duplex(4096);
    let phase = watch::channel(Phase::Greeting).0;
    let mut ends = JoinSet::new();
    ends.spawn(async move {
        let budget = Budget::new(1 << 30);
        let peer = Arc::new(Peer(Targets::default()));
        let _ = serve(far, &replica("b", 2), peer, &budget, phase, pending()).await;
    });
    let attached = Session::attach(near, &replica("a", 2), Budget::new(1 << 30)).await;
    let (session, driver): (_, Driver<_>) = attached.unwrap();
    ends.spawn(async move {
        driver.run(pending()).await;
    });
    assert_eq!(session.replica().unwrap().id, "b".parse().unwrap());
    let refused = session.open(&target("elsewhere")).await.unwrap_err();
    assert!(
        matches!(refused, tunnel::OpenError::Refused(Refusal::Absent)),
        "{refused:?}"
    );
    session.open(&target("echo")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_vanishes_without_a_word_is_dead_for_its_peers_within_5_seconds() {
    let (near, far, switch) = wire(Duration::from_millis(1));
    let phase = watch::channel(Phase::Greeting).0;
    let peer = tokio::task::spawn(async move {
        let budget = Budget::new(1 << 30);
        let peer = Arc::new(Peer(Targets::default()));
        serve(far, &replica("b", 2), peer, &budget, phase, pending()).await
    });
    let attached = Session::attach(near, &replica("a", 2), Budget::new(1 << 30)).await;
    let (session, driver): (_, Driver<_>) = attached.unwrap();
    let end = tokio::task::spawn(driver.noticing(Liveness::PEER).run(pending()));
    let mut pipe = session.open(&target("echo")).await.unwrap();
    sleep(Duration::from_secs(73)).await;
    switch.send_replace(Passes::NONE);
    let cut = Instant::now();
    pipe.read_u8().await.unwrap_err();
    assert!(matches!(end.await.unwrap(), End::Dead));
    peer.await.unwrap().unwrap_err();
    assert!(
        cut.elapsed() <= Duration::from_secs(6),
        "{:?}",
        cut.elapsed()
    );
    assert!(session.is_closing());
}

#[tokio::test]
async fn a_pipe_knows_when_its_session_wants_to_go() {
    let ends = Ends::attached().await;
    let pipe = ends.session.open(&target("echo")).await.unwrap();
    let session = pipe.session();
    assert!(!session.is_closing());
    ends.drain_agent.send(()).unwrap();
    while !session.is_closing() {
        tokio::task::yield_now().await;
    }
}
