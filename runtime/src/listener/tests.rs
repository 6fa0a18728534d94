//! A listener on loopback, and visitors with paused time.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{io::AsyncReadExt as _, task::JoinSet, time::Instant};

use super::*;

const PATIENCE: Duration = Duration::from_secs(15);

fn visitor(strangers: &Arc<Strangers>) -> Arc<Visitor> {
    Visitor::at(strangers, Ipv4Addr::LOCALHOST.into())
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_asked_to_leave_when_its_time_is_over_and_then_cut() {
    let strangers = Arc::new(Strangers::new(&Bounds::AUTHENTICATED));
    let begin = Instant::now();
    let late = visitor(&strangers);
    let (asked, ()) = tokio::join!(
        async {
            late.dismissed().await;
            begin.elapsed()
        },
        late.outstayed(PATIENCE)
    );
    assert_eq!((asked, begin.elapsed().as_secs()), (PATIENCE, 20));
    // Whoever was refused is asked at once.
    let refused = visitor(&strangers);
    refused.dismiss();
    refused.outstayed(PATIENCE).await;
    assert_eq!(begin.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn who_has_proved_who_it_is_stays() {
    let strangers = Arc::new(Strangers::new(&Bounds {
        strangers: 1,
        ..Bounds::AUTHENTICATED
    }));
    let known = visitor(&strangers);
    known.identify();
    let _crowd = [visitor(&strangers), visitor(&strangers)];
    let hour = Duration::from_hours(1);
    let stays = tokio::time::timeout(hour, known.outstayed(PATIENCE)).await;
    assert!(stays.is_err());
}

#[tokio::test]
async fn strangers_that_say_nothing_keep_nobody_out() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let bounds = Bounds {
        connections: 4,
        strangers: 2,
        ..Bounds::ANONYMOUS
    };
    let served = Arc::<AtomicUsize>::default();
    let mut background = JoinSet::new();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let count = Arc::clone(&served);
    background.spawn(accept(listener, bounds, tasks, stop, move |stream, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let _silent = stream;
            std::future::pending::<()>().await;
        }
    }));
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    for closed in &mut crowd[..18] {
        let said = closed.read(&mut [0]).await;
        assert!(matches!(said, Ok(0) | Err(_)), "{said:?}");
    }
    while served.load(Ordering::SeqCst) < 20 {
        tokio::task::yield_now().await;
    }
}
