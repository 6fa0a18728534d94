use tokio::net::TcpListener;

use super::*;
use crate::{
    tunnels::Tunnels,
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
    Arc::new(Way::new(Places { tunnel, direct }, TaskTracker::new()).unwrap())
}

fn port(upstream: &Upstream) -> u16 {
    upstream.target.authority.port_u16().unwrap()
}

#[tokio::test]
async fn a_dead_address_hands_over_to_the_next_and_is_not_tried_again_at_once() {
    let (first, (_listener, second)) = (dead().await, listener().await);
    let way = way(None, &[first, second]);
    assert_eq!(port(&way.current()), first);
    let Leased { upstream, pooled } = way.lease().await.unwrap();
    assert_eq!((port(&upstream), port(&way.current())), (second, second));
    drop(pooled);
    let Health::Failing { since, .. } = way.direct[0].upstream.sighting().health else {
        panic!("the first address was not tried");
    };
    let leased = way.lease().await.unwrap();
    let upgradable = way.upgradable().await.unwrap();
    let ports = (port(&leased.upstream), port(&upgradable.upstream));
    assert_eq!(ports, (second, second));
    let health = way.direct[0].upstream.sighting().health;
    assert!(matches!(health, Health::Failing { since: still, .. } if still == since));
}

#[tokio::test]
async fn when_all_are_dead_the_first_failure_is_told() {
    let (first, second) = (dead().await, dead().await);
    let error = way(None, &[first, second]).lease().await.unwrap_err();
    assert!(error.to_string().contains(&first.to_string()), "{error}");
}

#[tokio::test]
async fn a_tunnel_without_an_agent_is_no_way_while_there_are_addresses() {
    let (_listener, address) = listener().await;
    let tunnels = Tunnels::new(0, 0);
    let tunnel = Target {
        dialer: Dialer::Tunnel(crate::tunnels::TunnelDialer::apiserver(
            &"managed1".parse().unwrap(),
            &tunnels,
        )),
        ..target(443)
    };
    let both = way(Some(tunnel.clone()), &[address]);
    assert_eq!(port(&both.lease().await.unwrap().upstream), address);
    let only = way(Some(tunnel), &[]);
    let error = only.lease().await.unwrap_err().to_string();
    assert!(
        error.contains("no agent of this cluster is connected"),
        "{error}"
    );
}

#[tokio::test]
async fn places_that_stay_keep_their_connections_and_record() {
    let (first, (_listener, second)) = (dead().await, listener().await);
    let old = way(None, &[first, second]);
    drop(old.lease().await.unwrap());
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
