use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{DuplexStream, duplex};

use super::*;

type Server = h2::server::Connection<DuplexStream, Bytes>;

/// The error of a request if the server does this, after it has taken so many requests.
async fn ended(taken: usize, how: impl FnOnce(&mut Server)) -> hyper::Error {
    let (client, server) = duplex(1 << 16);
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(client));
    let (handshake, server) = tokio::join!(handshake, h2::server::handshake(server));
    let ((mut sender, connection), mut server) = (handshake.unwrap(), server.unwrap());
    let request = Request::get("http://spoke/").body(Empty::<Bytes>::new());
    let request = sender.send_request(request.unwrap());
    let serving = async {
        let mut held = Vec::new();
        for _ in 0..taken {
            held.push(server.accept().await.unwrap().unwrap());
        }
        how(&mut server);
        let _ = std::future::poll_fn(|context| server.poll_closed(context)).await;
        held
    };
    let (error, _, _) = tokio::join!(request, connection, serving);
    error.unwrap_err()
}

#[tokio::test]
async fn only_what_the_other_end_promises_not_to_have_taken_is_untaken() {
    for reason in [h2::Reason::NO_ERROR, h2::Reason::INTERNAL_ERROR] {
        let before = ended(0, |server| server.abrupt_shutdown(reason)).await;
        assert!(is_untaken(&before), "{before:?}");
        let after = ended(1, |server| server.abrupt_shutdown(reason)).await;
        assert!(!is_untaken(&after), "{after:?}");
    }
}
