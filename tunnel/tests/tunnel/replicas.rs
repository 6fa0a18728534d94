//! How gateways identify their replicas, and tell how many there are.

use std::{collections::BTreeSet, future::pending, sync::Arc, time::Duration};

use tokio::{
    io::duplex,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tunnel::{
    Budget, Dial, End, Hello, Liveness, Phase, Refusal, Replica, Session, Share, Target, serve,
};

use super::ends::Targets;

fn replica(of: u16) -> Replica {
    Replica {
        id: "0f3a".parse().unwrap(),
        of,
    }
}

/// A gateway's hello and end, and what an agent with that hello knows of it.
struct Attached {
    session: Session,
    phase: watch::Receiver<Phase>,
    replicas: watch::Sender<u16>,
    tasks: JoinSet<()>,
}

impl Attached {
    async fn new(replica: Option<Replica>, agent: Hello) -> Self {
        let (near, far) = duplex(4096);
        let (sender, phase) = watch::channel(Phase::Greeting);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let targets = Arc::<Targets>::default();
            let _ = serve(far, &agent, targets, &Budget::new(0), sender, pending()).await;
        });
        let replicas = watch::Sender::new(replica.as_ref().map_or(1, |replica| replica.of));
        let ours = Hello {
            replica,
            ..Hello::default()
        };
        let attached = Session::attach(near, &ours, Budget::new(0)).await;
        let (session, driver) = attached.unwrap();
        let driver = driver.telling(replicas.subscribe());
        tasks.spawn(async move {
            driver.run(pending()).await;
        });
        Self {
            session,
            phase,
            replicas,
            tasks,
        }
    }

    async fn hears(&mut self, replica: Option<Replica>) {
        let wanted = Phase::Attached {
            agreement: self.session.agreement().clone(),
            replica,
        };
        self.phase.wait_for(|phase| *phase == wanted).await.unwrap();
    }
}

#[tokio::test]
async fn an_agent_hears_which_replica_it_is_attached_to_and_how_many_there_are() {
    for replica in [Some(replica(2)), None] {
        let mut attached = Attached::new(replica.clone(), Hello::default()).await;
        attached.hears(replica).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_hears_of_each_change_of_the_number_while_it_is_attached() {
    let mut attached = Attached::new(Some(replica(2)), Hello::default()).await;
    attached.hears(Some(replica(2))).await;
    for number in [3, 1, 4] {
        attached.replicas.send_replace(number);
        attached.hears(Some(replica(number))).await;
    }
    assert!(!attached.session.is_closing());
    assert_eq!(attached.tasks.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_know_the_capability_is_told_no_number() {
    let old = Hello {
        capabilities: BTreeSet::new(),
        ..Hello::default()
    };
    let mut attached = Attached::new(Some(replica(2)), old).await;
    attached.hears(Some(replica(2))).await;
    attached.replicas.send_replace(3);
    let hears = timeout(Duration::from_mins(1), attached.phase.changed());
    assert!(hears.await.is_err());
    assert!(!attached.session.is_closing());
}

/// A replica, which notices sooner than an agent that its peer is silent.
struct Peer;

impl Dial for Peer {
    type Io = tokio::io::DuplexStream;

    const LIVENESS: Liveness = Liveness::PEER;

    async fn dial(&self, _: &Target, _: Share) -> Result<Self::Io, Refusal> {
        Err(Refusal::Absent)
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_falls_silent_is_dead_for_both_ends_within_5_seconds() {
    let (near, mut wire_near) = duplex(64 << 10);
    let (mut wire_far, far) = duplex(64 << 10);
    let (cut_wire, cut) = tokio::sync::oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut wire_near, &mut wire_far) => {}
            _ = cut => pending().await,
        }
    });
    let (phase, mut seen) = watch::channel(Phase::Greeting);
    tasks.spawn(async move {
        let (hello, budget) = (Hello::default(), Budget::new(0));
        let _ = serve(far, &hello, Arc::new(Peer), &budget, phase, pending()).await;
    });
    let attached = Session::attach(near, &Hello::default(), Budget::new(0)).await;
    let (session, driver) = attached.unwrap();
    let mut end = JoinSet::new();
    end.spawn(driver.noticing(Liveness::PEER).run(pending()));
    sleep(Duration::from_secs(100)).await;
    assert!(!session.is_closing());

    let at = Instant::now();
    cut_wire.send(()).unwrap();
    assert!(matches!(end.join_next().await, Some(Ok(End::Dead))));
    seen.wait_for(|phase| *phase == Phase::Ended).await.unwrap();
    assert!(at.elapsed() <= Duration::from_secs(5), "{:?}", at.elapsed());
}
