use futures::future::join_all;
use tokio::time::advance;

use super::*;
use crate::metrics::Gauge;

/// Small ones, and no rates.
pub(crate) const LIMITS: Limits = Limits {
    requests_per_user: 3,
    long_requests: 4,
    upgrades_per_user: 1,
    upgrades: 2,
    short_requests_per_user: 2,
    short_requests: 3,
    short_requests_total: 4,
    queued_requests_per_user: 2,
    queued_requests: 3,
    queue_timeout: Duration::from_secs(15),
    rate_per_user: None,
    rate: None,
};

fn hall(limits: Limits) -> Arc<Hall> {
    Arc::new(Hall::new(limits, Gauge::default()))
}

fn seats() -> Arc<Seats> {
    Arc::default()
}

#[tokio::test(start_paused = true)]
async fn one_caller_takes_only_its_part_and_long_requests_leave_room_for_short_ones() {
    let (seats, hall) = (seats(), hall(LIMITS));
    let take = |user, need| seats.take_soon(user, need, &hall);
    let mut held = Vec::new();
    for need in [Need::Long, Need::Long, Need::Short, Need::Connection] {
        held.push(take("alice", need).await.unwrap());
    }
    for need in [Need::Long, Need::Short] {
        let refused = take("alice", need).await.unwrap_err();
        assert_eq!(refused, Full::RequestsOfUser(3));
    }
    let refused = take("alice", Need::Connection).await.unwrap_err();
    assert_eq!(refused, Full::UpgradesOfUser(1));
    for need in [Need::Long, Need::Long, Need::Connection] {
        held.push(take("bob", need).await.unwrap());
    }
    let refused = take("carol", Need::Long).await.unwrap_err();
    assert_eq!(refused, Full::LongRequests(4));
    let refused = take("carol", Need::Connection).await.unwrap_err();
    assert_eq!(refused, Full::Upgrades(2));
    held.push(take("carol", Need::Short).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_waited_for_for_a_moment_and_a_stream_is_not() {
    let (seats, hall) = (seats(), hall(LIMITS));
    let take = |need| seats.take_soon("alice", need, &hall);
    let first = take(Need::Connection).await.unwrap();
    let began = Instant::now();
    let refused = take(Need::Connection).await.unwrap_err();
    assert_eq!(refused, Full::UpgradesOfUser(1));
    assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    let (second, ()) = tokio::join!(take(Need::Connection), async { drop(first) });
    let _held = (
        second.unwrap(),
        take(Need::Short).await,
        take(Need::Short).await,
    );
    let _last = take(Need::Long).await.unwrap();
    let began = Instant::now();
    assert_eq!(
        take(Need::Short).await.unwrap_err(),
        Full::RequestsOfUser(3)
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_when_its_request_is_over() {
    let (seats, hall) = (seats(), hall(LIMITS));
    let take = || seats.take_soon("alice", Need::Connection, &hall);
    let first = take().await.unwrap();
    assert!(take().await.is_err());
    drop(first);
    drop(take().await.unwrap());
    assert!(seats.taken.lock().is_idle());
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_its_turn_when_an_answer_begins_and_others_wait_for_nobody_elses_line() {
    let (seats, hall) = (seats(), hall(LIMITS));
    let take = |user| seats.take_soon(user, Need::Short, &hall);
    let (first, second) = (take("alice").await.unwrap(), take("alice").await.unwrap());
    let mut third = Box::pin(take("alice"));
    assert!(futures::poll!(&mut third).is_pending());
    assert_eq!(hall.waiting(), 1);
    // Alice has her part, and there is a place left for bob.
    let _of_bob = take("bob").await.unwrap();
    first.answered();
    first.answered();
    let third = third.await.unwrap();
    assert_eq!(hall.waiting(), 0);
    // What the caller still reads is open, but takes no place.
    let refused = take("alice").await.unwrap_err();
    assert_eq!(refused, Full::RequestsOfUser(3));
    drop((first, second, third));
    let _next = (take("alice").await.unwrap(), take("alice").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_whose_limit_it_is_when_its_time_is_over() {
    let limits = Limits {
        requests_per_user: 9,
        ..LIMITS
    };
    let (seats, others, hall) = (seats(), seats(), hall(limits));
    let waited = LIMITS.queue_timeout;
    let take = |user| seats.take_soon(user, Need::Short, &hall);
    let _of_alice = (take("alice").await.unwrap(), take("alice").await.unwrap());
    let began = Instant::now();
    let refused = take("alice").await.unwrap_err();
    assert_eq!(refused, Full::ShortRequestsOfUser { most: 2, waited });
    assert_eq!(began.elapsed(), waited);
    let _of_bob = take("bob").await.unwrap();
    let refused = take("bob").await.unwrap_err();
    assert_eq!(refused, Full::ShortRequests { most: 3, waited });
    // Another cluster has places of its own, within what the gateway has.
    let take = |user| others.take_soon(user, Need::Short, &hall);
    let last = take("alice").await.unwrap();
    let refused = take("bob").await.unwrap_err();
    assert_eq!(refused, Full::ShortRequestsTotal { most: 4, waited });
    drop(last);
    let _next = take("bob").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_no_longer_than_it_may_be_and_who_leaves_makes_room_at_once() {
    let limits = Limits {
        requests_per_user: 9,
        ..LIMITS
    };
    let (seats, hall) = (seats(), hall(limits));
    let take = |user| seats.take_soon(user, Need::Short, &hall);
    let held = join_all(["alice", "alice", "bob"].map(take)).await;
    let mut lines = ["alice", "alice", "bob"].map(|user| Box::pin(take(user)));
    for waiting in &mut lines {
        assert!(futures::poll!(waiting).is_pending());
    }
    let began = Instant::now();
    assert_eq!(take("alice").await.unwrap_err(), Full::QueueOfUser(2));
    assert_eq!(take("carol").await.unwrap_err(), Full::Queue(3));
    assert_eq!(began.elapsed(), Duration::ZERO);
    let [first, second, of_bob] = lines;
    drop(first);
    let mut of_carol = Box::pin(take("carol"));
    assert!(futures::poll!(&mut of_carol).is_pending());
    // Whoever leaves when its turn has come already passes it on.
    drop(held);
    drop((second, of_bob));
    of_carol.await.unwrap();
    assert!(seats.taken.lock().is_idle());
    assert_eq!(hall.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_that_begin_too_fast_are_told_when_to_try_again() {
    let rate = |per_second: u32, burst: u32| {
        Some(Rate::new(
            per_second.try_into().unwrap(),
            burst.try_into().unwrap(),
        ))
    };
    let limits = Limits {
        rate_per_user: rate(1, 2),
        rate: rate(10, 4),
        ..LIMITS
    };
    let (seats, hall) = (seats(), hall(limits));
    let take = |user| seats.take_soon(user, Need::Short, &hall);
    for user in ["alice", "alice", "bob"] {
        drop(take(user).await.unwrap());
    }
    let refused = take("alice").await.unwrap_err();
    let (per_second, wait) = (1, Duration::from_secs(1));
    assert_eq!(refused, Full::RateOfUser { per_second, wait });
    assert_eq!((refused.whose(), refused.retry_after()), (Whose::Caller, 1));
    // What was refused has used up nothing.
    drop(take("bob").await.unwrap());
    let refused = take("carol").await.unwrap_err();
    assert_eq!(refused.limit(), "requests_per_second");
    assert_eq!(refused.whose(), Whose::Everybody);
    // Requests that are not short are not counted.
    drop(seats.take_soon("carol", Need::Long, &hall).await.unwrap());
    advance(wait).await;
    drop(take("alice").await.unwrap());
}

/// Many threads, few places: nobody is forgotten, and no limit is passed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_gets_a_turn_whatever_others_do_at_the_same_time() {
    let limits = Limits {
        requests_per_user: 1000,
        short_requests_total: 3,
        queued_requests_per_user: 1000,
        queued_requests: 10_000,
        queue_timeout: Duration::from_mins(1),
        ..LIMITS
    };
    let (clusters, hall) = ([seats(), seats()], hall(limits));
    let under_way = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..600_usize {
        let (seats, hall) = (Arc::clone(&clusters[number % 2]), Arc::clone(&hall));
        let under_way = Arc::clone(&under_way);
        tasks.spawn(async move {
            let user = ["alice", "bob", "carol"][number % 3];
            let take = seats.take_soon(user, Need::Short, &hall);
            if number % 5 == 0 {
                // One who gives up, early or late.
                let patience = Duration::from_micros(number as u64);
                let _ = tokio::time::timeout(patience, take).await;
                return;
            }
            let seat = take.await.unwrap();
            assert!(under_way.fetch_add(1, Ordering::SeqCst) < 3);
            tokio::task::yield_now().await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            drop(seat);
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!((hall.waiting(), hall.inside()), (0, 0));
    assert!(clusters.iter().all(|it| it.taken.lock().is_idle()));
}
