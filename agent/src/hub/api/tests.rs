//! A hub behind something that passes some upgrades and not others.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::*;

/// What answers each of the two upgrades.
#[derive(Clone, Copy)]
struct Hub {
    own: &'static str,
    websocket: &'static str,
}

const OWN: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: spokeway-tunnel\r\n\r\nhello";
/// `ACCEPT` is replaced.
const WEBSOCKET: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                         sec-websocket-accept: ACCEPT\r\n\r\n\u{82}\u{5}hello";
const PROXY: &str =
    "HTTP/1.1 400 Bad Request\r\nserver: nginx/1.25\r\ncontent-length: 11\r\n\r\nno upgrades";
const STRIPPED: &str = "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 43\r\n\r\n\
                        {\"kind\":\"Status\",\"message\":\"needs upgrade\"}";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 43\r\n\r\n\
                         {\"kind\":\"Status\",\"message\":\"not for you!!\"}";
const OUTAGE: &str =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\n\r\nservice unavailable";
const CLOSED: &str = "";

/// Serves until it is dropped; tells how many upgrades of each kind were asked for.
async fn hub(hub: Hub) -> (HubApi, tempfile::TempDir, Arc<[AtomicBool; 2]>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: hub\n\
         contexts: [{{name: hub, context: {{cluster: hub, user: me}}}}]\n\
         clusters: [{{name: hub, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         users: [{{name: me, user: {{token: mine}}}}]\n"
    );
    fs::write(&kubeconfig, text).unwrap();
    let asked = Arc::new([AtomicBool::default(), AtomicBool::default()]);
    let (mut serving, told) = (JoinSet::new(), Arc::clone(&asked));
    serving.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            answer(stream, hub, &told).await;
        }
    });
    let api = HubApi::new(kubeconfig, "managed1".to_owned());
    (api, directory, asked, serving)
}

async fn answer(mut stream: TcpStream, hub: Hub, asked: &[AtomicBool; 2]) {
    let mut head = vec![0; 4096];
    let length = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "));
    asked[usize::from(key.is_some())].store(true, Ordering::Relaxed);
    let answer = match key {
        Some(key) => hub
            .websocket
            .replace("ACCEPT", &tunnel::websocket::accept(key.as_bytes())),
        None => hub.own.to_owned(),
    };
    // Latin-1, so that the frame's first byte is one byte.
    let answer: Vec<u8> = answer.chars().map(|it| u8::try_from(it).unwrap()).collect();
    stream.write_all(&answer).await.unwrap();
    let _ = stream.shutdown().await;
}

async fn heard(attached: Result<Box<dyn Stream>, ApiError>) -> String {
    let mut heard = [0; 5];
    attached.unwrap().read_exact(&mut heard).await.unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn attaches_by_its_own_upgrade_if_that_gets_through() {
    let (api, _files, asked, _serving) = hub(Hub {
        own: OWN,
        websocket: WEBSOCKET,
    })
    .await;
    assert_eq!(heard(api.attach().await).await, "hello");
    assert!(!asked[1].load(Ordering::Relaxed));
}

#[tokio::test]
async fn attaches_by_websocket_if_nothing_else_gets_through_and_keeps_to_it() {
    for own in [PROXY, STRIPPED, CLOSED] {
        let (api, _files, asked, _serving) = hub(Hub {
            own,
            websocket: WEBSOCKET,
        })
        .await;
        assert_eq!(heard(api.attach().await).await, "hello", "{own}");
        assert!(asked[0].swap(false, Ordering::Relaxed));
        assert_eq!(heard(api.attach().await).await, "hello", "{own}");
        assert!(!asked[0].load(Ordering::Relaxed), "{own}");
    }
}

#[tokio::test]
async fn says_who_stands_in_between_if_nothing_gets_through() {
    let (api, _files, _asked, _serving) = hub(Hub {
        own: PROXY,
        websocket: STRIPPED,
    })
    .await;
    let said = api.attach().await.err().unwrap().to_string();
    for words in [
        "server: nginx/1.25 answered 400",
        "no upgrades",
        "by WebSocket",
        "saw no upgrade",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_word_of_the_hub_is_not_asked_for_twice() {
    for (own, words) in [
        (FORBIDDEN, "refused with 403 Forbidden: not for you"),
        (
            OUTAGE,
            "refused with 503 Service Unavailable: service unavailable",
        ),
    ] {
        let (api, _files, asked, _serving) = hub(Hub {
            own,
            websocket: WEBSOCKET,
        })
        .await;
        let said = api.attach().await.err().unwrap().to_string();
        assert!(said.contains(words), "{said}");
        assert!(!asked[1].load(Ordering::Relaxed));
    }
}
