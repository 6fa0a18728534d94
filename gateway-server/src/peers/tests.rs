//! Replicas on loopback, with certificates of their own and agents that answer with their names.

mod stage;

use std::{fmt::Write as _, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    join,
    time::{Instant, sleep, timeout},
};
use tunnel::{OpenError, Refusal, STREAM_COST, Share};

use self::stage::{Authority, Replica, eventually};
use super::news;
use crate::{
    tunnels::{Pipe, TunnelError},
    upstream::PHASE_DEADLINE,
};

/// What the agent at the end of the pipe answers: its name and what it was sent.
async fn answer(replica: &Replica, cluster: &str) -> Result<String, TunnelError> {
    let mut pipe = replica.dialer(cluster).dial(Share::Whole).await?.stream;
    pipe.write_all(b"hello").await.unwrap();
    pipe.shutdown().await.unwrap();
    let mut said = String::new();
    pipe.read_to_string(&mut said).await.unwrap();
    Ok(said)
}

/// Waits until new requests should use another pipe.
async fn retires(pipe: &Pipe) {
    let retired = timeout(Duration::from_secs(20), pipe.carrier.retired());
    retired.await.unwrap();
}

#[tokio::test]
async fn a_replica_without_a_tunnel_passes_the_pipe_to_one_that_has_it() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    let _agent = one.attach("managed1").await;
    let _twin = other.attach("managed2").await;
    eventually(|| one.sees("managed2") && other.sees("managed1")).await;
    for replica in [&one, &other] {
        for cluster in ["managed1", "managed2"] {
            let said = answer(replica, cluster).await.unwrap();
            assert_eq!(said, format!("{cluster} heard hello"));
        }
    }
    assert_eq!(one.metrics.pipes_passed.get(), 1);
    assert_eq!(one.metrics.peer_links.get(), 1);
    assert!(matches!(
        answer(&one, "managed3").await,
        Err(TunnelError::Absent)
    ));
}

#[tokio::test]
async fn a_pipe_is_never_passed_on_a_second_time() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    let _agents = [one.attach("here").await, other.attach("there").await];
    // Each believes that the other one has the tunnel, and neither has.
    one.believes_of("managed1", "there").await;
    other.believes_of("managed1", "here").await;
    assert!(one.sees("managed1") && other.sees("managed1"));
    assert!(matches!(
        answer(&one, "managed1").await,
        Err(TunnelError::Absent)
    ));
    // A target that names no cluster is refused, and nothing else is disturbed.
    let session = one.session_to(&other, &authority).await.unwrap();
    for target in ["kubernetes.default.svc:443", "a_B:1", "_managed1:1"] {
        let refused = session.open(&target.parse().unwrap()).await;
        let refused = refused.err().unwrap();
        let is_it = matches!(refused, OpenError::Refused(Refusal::Malformed));
        assert!(is_it, "{target}: {refused}");
    }
    let _agent = other.attach("managed2").await;
    eventually(|| one.sees("managed2")).await;
    answer(&one, "managed2").await.unwrap();
}

#[tokio::test]
async fn what_a_replica_has_said_is_forgotten_when_it_goes() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    let agent = other.attach("managed1").await;
    eventually(|| one.sees("managed1")).await;
    drop(agent);
    eventually(|| !one.sees("managed1")).await;
    let _agent = other.attach("managed1").await;
    eventually(|| one.sees("managed1")).await;
    other.kill();
    eventually(|| !one.sees("managed1")).await;
    assert_eq!(one.metrics.peer_links.get(), 0);
}

#[tokio::test]
async fn a_replica_that_wants_to_go_is_asked_last_and_keeps_its_open_pipes() {
    let authority = Authority::new();
    let [one, other, third] = Replica::linked(&authority).await;
    let _agent = other.attach("managed1").await;
    eventually(|| one.sees("managed1")).await;
    let mut pipe = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    assert!(!pipe.carrier.is_retiring());
    other.ending.leaving.cancel();
    pipe.carrier.retired().await;
    assert!(pipe.carrier.is_retiring());
    // It is used nevertheless, because no other replica has the tunnel.
    answer(&one, "managed1").await.unwrap();
    let _twin = third.attach("managed1").await;
    eventually(|| third.sees("managed1")).await;
    eventually(|| one.peers_of("managed1") == 2).await;
    let next = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    assert_eq!(next.carrier.replica(), Some(third.id()));
    other.ending.drain.cancel();
    eventually(|| one.peers_of("managed1") == 1).await;
    pipe.stream.write_all(b"still here").await.unwrap();
    pipe.stream.shutdown().await.unwrap();
    let mut said = String::new();
    pipe.stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "managed1 heard still here");
}

#[tokio::test]
async fn a_pipe_waits_for_an_agent_that_was_asked_to_leave_a_replica_that_shuts_down() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    let (agent, stays) = (
        other.attach("managed1").await,
        other.attach("managed2").await,
    );
    eventually(|| one.sees("managed1") && one.sees("managed2")).await;
    // An agent that goes by itself is not waited for.
    stays.drain();
    eventually(|| !one.sees("managed2")).await;
    let begin = Instant::now();
    let refused = answer(&one, "managed2").await;
    assert!(matches!(refused, Err(TunnelError::Absent)));
    assert!(begin.elapsed() < Duration::from_secs(2));

    let pipe = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    other.ending.leaving.cancel();
    pipe.carrier.retired().await;
    agent.drain();
    eventually(|| !one.sees("managed1")).await;
    let comes = async {
        sleep(Duration::from_millis(300)).await;
        one.attach("managed1").await
    };
    let (said, _agent) = join!(answer(&one, "managed1"), comes);
    assert_eq!(said.unwrap(), "managed1 heard hello");
}

#[tokio::test]
async fn a_tunnel_that_drains_gives_up_the_pipes_of_other_replicas() {
    let authority = Authority::new();
    let [one, other, third] = Replica::linked(&authority).await;
    let agent = other.attach("managed1").await;
    eventually(|| one.sees("managed1")).await;
    let mut pipe = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    // The replica has another tunnel, so it holds the cluster all the time.
    let next = other.attach("managed1").await;
    let mut kept = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    agent.drain();
    retires(&pipe).await;
    assert!(pipe.carrier.is_retiring());
    // This one may lead through the first tunnel, too, as far as the other replica can tell.
    retires(&kept).await;
    kept = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    assert!(!kept.carrier.is_retiring());
    pipe.stream.write_all(b"still here").await.unwrap();
    pipe.stream.shutdown().await.unwrap();
    let mut said = String::new();
    pipe.stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "managed1 heard still here");
    // Its last tunnel drains, though a pipe is open, so another replica is used.
    let _twin = third.attach("managed1").await;
    eventually(|| one.peers_of("managed1") == 2).await;
    next.drain();
    retires(&kept).await;
    eventually(|| one.peers_of("managed1") == 1).await;
    let pipe = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    assert_eq!(pipe.carrier.replica(), Some(third.id()));
}

#[tokio::test]
async fn agents_are_told_how_many_replicas_are_linked_and_stay() {
    let authority = Authority::new();
    let [one, other, third] = Replica::linked(&authority).await;
    eventually(|| one.number() == 3).await;
    other.ending.leaving.cancel();
    eventually(|| one.number() == 2).await;
    other.kill();
    eventually(|| one.metrics.peer_links.get() == 1).await;
    assert_eq!(one.number(), 2);
    third.kill();
    eventually(|| one.number() == 1).await;
}

#[tokio::test]
async fn a_replica_that_falls_silent_is_forgotten_within_5_seconds() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    let silent = one.link_through_a_wire(&other, &authority).await;
    let _agent = other.attach("managed1").await;
    eventually(|| one.peers_of("managed1") == 2).await;
    silent.cut();
    let at = Instant::now();
    eventually(|| one.peers_of("managed1") == 1).await;
    let took = at.elapsed();
    assert!(took < Duration::from_millis(5500), "{took:?}");
    assert!(took > Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_tunnel_that_falls_silent_is_replaced_by_one_of_another_replica() {
    let authority = Authority::new();
    // The pipe that is kept leaves one place, in which several replicas may be asked.
    let [one, other] = Replica::linked_with(&authority, 2 * STREAM_COST).await;
    let (_silent, wire) = one.attach_through_a_wire("managed1").await;
    let kept = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    let _agent = other.attach("managed1").await;
    eventually(|| one.peers_of("managed1") == 1).await;
    wire.cut();
    // The deadline of whoever wants a connection.
    let opening = timeout(PHASE_DEADLINE, answer(&one, "managed1"));
    let said = opening.await.unwrap().unwrap();
    assert_eq!(said, "managed1 heard hello");
    // The silence is noticed, so other pipes do not wait for it, and nothing is sent through it.
    eventually(|| kept.carrier.is_retiring()).await;
    let pipe = one.dialer("managed1").dial(Share::Whole).await.unwrap();
    assert_eq!(pipe.carrier.replica(), Some(other.id()));
    assert!(!pipe.carrier.is_retiring());
    assert!(one.sees("managed1"));
}

#[tokio::test]
async fn pipes_beyond_one_connection_get_another_one() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    let mut agents = Vec::new();
    for _ in 0..2 {
        agents.push(other.attach("managed1").await);
    }
    eventually(|| one.sees("managed1")).await;
    let mut pipes = Vec::new();
    for number in 0..400 {
        let pipe = one.dialer("managed1").dial(Share::Whole).await;
        pipes.push(pipe.unwrap_or_else(|error| panic!("pipe {number}: {error}")));
    }
    assert_eq!(one.metrics.pipes_passed.get(), 400);
}

#[tokio::test]
async fn streams_of_other_replicas_leave_room_for_shared_pipes() {
    let authority = Authority::new();
    let [one, other, third] = Replica::linked_with(&authority, 3 * STREAM_COST).await;
    let _agent = other.attach("managed1").await;
    eventually(|| one.sees("managed1") && third.sees("managed1")).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let stream = one.dialer("managed1").dial(Share::Unreserved).await;
        streams.push(stream.unwrap());
    }
    // The room is at the replica that has the tunnel.
    let refused = third.dialer("managed1").dial(Share::Unreserved).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("no room for another pipe"), "{refused}");
    answer(&third, "managed1").await.unwrap();
}

#[tokio::test]
async fn who_is_no_replica_is_refused() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    // The first certificate is of another CA; the second is of the right CA, but has another name.
    let stranger = Authority::new();
    assert!(one.session_to(&other, &stranger).await.is_err());
    let named = authority.naming("gateway-server.spokeway.svc");
    assert!(one.session_to(&other, &named).await.is_err());
    eventually(|| other.metrics.peer_refusals.get() == 2).await;
    assert!(one.session_to(&other, &authority).await.is_ok());
}

#[tokio::test]
async fn a_peer_that_floods_or_babbles_harms_only_itself() {
    let authority = Authority::new();
    let [one, other] = Replica::linked(&authority).await;
    let _agent = other.attach("managed1").await;
    eventually(|| one.sees("managed1")).await;
    let mut claims = String::new();
    for number in 0..70_000 {
        writeln!(claims, "holds c{number}").unwrap();
    }
    let babble = format!("later word\nholds A_B\nholds managed2\n{claims}");
    let _babbler = one.link_to_a_peer_that_says(&authority, babble).await;
    eventually(|| one.sees("managed2") && one.sees("c60000")).await;
    assert!(!one.sees("c69999"));
    let endless = "x".repeat(news::MAX_LINE + 1);
    let _endless = one.link_to_a_peer_that_says(&authority, endless).await;
    answer(&one, "managed1").await.unwrap();
    assert!(answer(&one, "managed2").await.is_err());
}
