//! Proxies on loopback, and one that never answers.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

use super::*;

async fn proxy(scheme: &str, user: &str) -> (Proxy, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = format!("{scheme}://{user}{address}").parse().unwrap();
    (proxy, listener)
}

/// Reads what is asked, and answers.
async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: &[u8]) -> String {
    let mut asked = vec![0; 1024];
    let length = stream.read(&mut asked).await.unwrap();
    stream.write_all(answer).await.unwrap();
    String::from_utf8_lossy(&asked[..length]).into_owned()
}

async fn all_of(stream: Result<ProxyStream, ProxyError>) -> String {
    let mut said = String::new();
    stream.unwrap().read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn asks_the_proxy_and_then_gets_out_of_the_way() {
    let (proxy, listener) = proxy("http", "u:p@").await;
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let established = b"HTTP/1.1 200 Connection established\r\n\r\nhello";
        answer(&mut stream, established).await
    };
    let (asked, stream) = tokio::join!(served, proxy.connect("2001:db8::1", 443));
    assert!(
        asked.starts_with("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("proxy-authorization: Basic dTpw\r\n"),
        "{asked}"
    );
    assert_eq!(all_of(stream).await, "hello");
}

#[tokio::test]
async fn speaks_tls_to_a_proxy_that_is_vouched_for_and_to_no_other() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![own.clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (proxy, listener) = proxy("https", "").await;

    let served = async {
        let stream = listener.accept().await.unwrap().0;
        let mut stream = acceptor.accept(stream).await.unwrap();
        let asked = answer(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nhello").await;
        stream.shutdown().await.unwrap();
        asked
    };
    let vouched_for = proxy.clone().trusting([own]);
    let (asked, stream) = tokio::join!(served, vouched_for.connect("hub", 443));
    assert!(asked.starts_with("CONNECT hub:443 "), "{asked}");
    assert_eq!(all_of(stream).await, "hello");

    let served = async {
        let stream = listener.accept().await.unwrap().0;
        acceptor.accept(stream).await.map(|_| ())
    };
    let (_, refused) = tokio::join!(served, proxy.connect("hub", 443));
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("TLS handshake with proxy https://127.0.0.1:"),
        "{said}"
    );
}

#[tokio::test]
async fn speaks_socks5() {
    let (proxy, listener) = proxy("socks5", "").await;
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, b"\x05\x00").await;
        answer(
            &mut stream,
            b"\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbbhello",
        )
        .await
    };
    let (asked, stream) = tokio::join!(served, proxy.connect("hub", 443));
    assert!(asked.contains("hub"), "{asked}");
    assert_eq!(all_of(stream).await, "hello");
}

#[tokio::test]
async fn a_refusal_names_the_proxy_and_its_answer() {
    let (proxy, listener) = proxy("http", "u:hunter2@").await;
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n").await;
        stream
    };
    let (_stream, refused) = tokio::join!(served, proxy.connect("spoke", 443));
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("http://127.0.0.1:") && said.contains("407"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_proxy_that_breaks_off_is_named() {
    for scheme in ["http", "https", "socks5"] {
        let (proxy, listener) = proxy(scheme, "").await;
        let served = async { drop(listener.accept().await.unwrap()) };
        let ((), refused) = tokio::join!(served, proxy.connect("spoke", 443));
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(&format!("{scheme}://127.0.0.1:")), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_accepts_and_never_answers_has_a_deadline() {
    for (scheme, step) in [
        ("http", Step::Connect),
        ("https", Step::Tls),
        ("socks5", Step::Connect),
    ] {
        let (proxy, _silent) = proxy(scheme, "").await;
        let begin = Instant::now();
        let error = proxy.connect("spoke", 443).await.unwrap_err();
        assert!(
            matches!(error, ProxyError::Deadline { step: at, .. } if at == step),
            "{scheme}: {error}"
        );
        assert!(begin.elapsed() <= STEP_DEADLINE * 2, "{scheme}");
    }
}

#[tokio::test]
async fn a_target_that_is_no_host_is_no_panic() {
    let (proxy, listener) = proxy("http", "").await;
    let (_, refused) = tokio::join!(listener.accept(), proxy.connect("no host", 443));
    let error = refused.unwrap_err();
    assert!(matches!(error, ProxyError::Target { .. }), "{error}");
}
