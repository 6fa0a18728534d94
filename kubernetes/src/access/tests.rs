//! Kubeconfigs as people write them, against API servers and proxies on loopback.

use std::{fs, path::Path};

use kube::config::Kubeconfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// A kubeconfig whose cluster and user have these fields.
fn kubeconfig(cluster: &str, user: &str) -> Kubeconfig {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: hub\n\
         contexts: [{{name: hub, context: {{cluster: hub, user: me}}}}]\n\
         clusters: [{{name: hub, cluster: {{{cluster}}}}}]\n\
         users: [{{name: me, user: {{{user}}}}}]\n"
    );
    Kubeconfig::from_yaml(&text).unwrap()
}

async fn access(cluster: &str, user: &str) -> Result<Access, AccessError> {
    Access::of_kubeconfig(kubeconfig(cluster, user), &KubeConfigOptions::default()).await
}

/// Asks for something, and returns how that ended.
async fn asked(access: Result<Access, AccessError>) -> Result<String, String> {
    let client = access.unwrap().client().unwrap();
    let request = Request::get("/livez").body(Vec::new()).unwrap();
    let answer = client.request_text(request).await;
    answer.map_err(|error| runtime::causes::chain(&error))
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = vec![0; 4096];
    let length = stream.read(&mut head).await.unwrap();
    String::from_utf8_lossy(&head[..length]).into_owned()
}

/// Answers one request, and returns what was asked.
async fn serve(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = head(&mut stream).await;
    stream.write_all(ANSWER).await.unwrap();
    head
}

async fn loopback() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_token_file_may_end_with_a_newline_and_counts_more_than_a_token() {
    let (hub, port) = loopback().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "of-the-file\n").unwrap();
    let cluster = format!("server: 'http://127.0.0.1:{port}'");
    for user in [
        format!("tokenFile: '{}'", file.display()),
        format!("tokenFile: '{}', token: other", file.display()),
    ] {
        let (said, head) = tokio::join!(asked(access(&cluster, &user).await), serve(&hub));
        assert_eq!(said.unwrap(), "ok");
        assert!(
            head.contains("authorization: Bearer of-the-file\r\n"),
            "{head}"
        );
    }
    let absent = directory.path().join("absent");
    let user = format!("tokenFile: '{}', token: other", absent.display());
    let (_, head) = tokio::join!(asked(access(&cluster, &user).await), serve(&hub));
    assert!(head.contains("authorization: Bearer other\r\n"), "{head}");
    let user = format!("tokenFile: '{}'", absent.display());
    let error = access(&cluster, &user).await.unwrap_err();
    assert!(matches!(error, AccessError::Token { .. }), "{error}");
}

#[tokio::test]
async fn a_credential_plugin_and_impersonation_count() {
    let (hub, port) = loopback().await;
    let cluster = format!("server: 'http://127.0.0.1:{port}', proxy-url: ''");
    let directory = tempfile::tempdir().unwrap();
    let plugin = plugin(directory.path());
    let user = format!(
        "as: somebody, exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{plugin}', args: null, \
         env: null, interactiveMode: IfAvailable, provideClusterInfo: true}}"
    );
    let (said, head) = tokio::join!(asked(access(&cluster, &user).await), serve(&hub));
    assert_eq!(said.unwrap(), "ok");
    assert!(
        head.contains("authorization: Bearer of-the-plugin\r\n"),
        "{head}"
    );
    assert!(head.contains("impersonate-user: somebody\r\n"), "{head}");
    let told = fs::read_to_string(directory.path().join("told")).unwrap();
    assert!(told.contains(&format!("http://127.0.0.1:{port}")), "{told}");
    // It is told what the kubeconfig says, and nothing of ours.
    assert!(!told.contains("proxy"), "{told}");
}

fn plugin(directory: &Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join("plugin");
    let told = directory.join("told");
    let script = format!(
        "#!/bin/sh\nprintf '%s' \"$KUBERNETES_EXEC_INFO\" > '{}'\necho '{}'\n",
        told.display(),
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"of-the-plugin"}}"#
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn goes_through_the_proxy_that_the_kubeconfig_names() {
    let (proxy, port) = loopback().await;
    for url in [
        format!("http://127.0.0.1:{port}"),
        format!("127.0.0.1:{port}"),
    ] {
        let cluster = format!("server: 'http://hub.invalid:6443', proxy-url: '{url}'");
        let served = async {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let asked = head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let request = head(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
            (asked, request)
        };
        let (said, (connect, request)) =
            tokio::join!(asked(access(&cluster, "token: mine").await), served);
        assert_eq!(said.unwrap(), "ok", "{url}");
        assert!(
            connect.starts_with("CONNECT hub.invalid:6443 HTTP/1.1\r\n"),
            "{connect}"
        );
        assert!(!connect.contains("mine"), "{connect}");
        assert!(
            request.contains("authorization: Bearer mine\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn goes_through_a_socks_proxy() {
    let (proxy, port) = loopback().await;
    let cluster =
        format!("server: 'http://hub.invalid:6443', proxy-url: 'socks5://127.0.0.1:{port}'");
    let served = async {
        let (mut stream, _) = proxy.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"\x05\x00").await.unwrap();
        let asked = head(&mut stream).await;
        let reply = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbb";
        stream.write_all(reply).await.unwrap();
        head(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        asked
    };
    let (said, asked) = tokio::join!(asked(access(&cluster, "").await), served);
    assert_eq!(said.unwrap(), "ok");
    assert!(asked.contains("hub.invalid"), "{asked}");
}

#[tokio::test]
async fn an_unusable_proxy_is_named_by_the_call_and_ends_nothing() {
    let cluster = "server: 'https://hub.invalid', proxy-url: 'ftp://u:hunter2@proxy'";
    let said = asked(access(cluster, "").await).await.unwrap_err();
    assert!(said.contains("hub.invalid:443"), "{said}");
    assert!(said.contains("proxy-url of the kubeconfig"), "{said}");
    assert!(said.contains("its scheme is not"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_bundle_with_a_broken_block_counts_and_one_without_certificates_does_not() {
    let own = rcgen::generate_simple_self_signed(["hub".to_owned()]).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\n###\n-----END CERTIFICATE-----\n";
    let text = format!("# a comment\n{broken}{}trailing", own.cert.pem());
    let with = |pem: &str| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let data = STANDARD.encode(pem);
        format!("server: 'https://hub.invalid', certificate-authority-data: '{data}'")
    };
    let read = access(&with(&text), "").await.unwrap();
    assert_eq!(read.config.root_cert.unwrap(), [own.cert.der().to_vec()]);
    let error = access(&with(broken), "").await.unwrap_err();
    assert!(matches!(error, AccessError::Authority), "{error}");
}
