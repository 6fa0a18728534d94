//! Requests that a managed API server turns away before it has looked at them.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{early::upload, *};

/// Not longer than what is kept of a body.
const SMALL: usize = 100 << 10;
/// Longer than that.
const LARGE: usize = 300 << 10;

/// What the server sends when the head of a request has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum TurnAway {
    /// GOAWAY, which names the last stream that it takes, and a reason (RFC 9113 §6.8).
    #[default]
    Before,
    With(h2::Reason),
    /// GOAWAY as before, but it has taken the request.
    After,
    /// The stream is refused (RFC 9113 §8.7).
    Refused,
    /// As the first one, but only after this much of the body has come.
    Late(usize),
}

impl TurnAway {
    fn frame(self) -> Vec<u8> {
        let go_away = |last: u8, reason: u32| {
            let head = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last];
            [head.as_slice(), &reason.to_be_bytes()].concat()
        };
        match self {
            Self::Before | Self::Late(_) => go_away(0, 0),
            Self::With(reason) => go_away(0, reason.into()),
            Self::After => go_away(1, 0),
            Self::Refused => vec![0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7],
        }
    }

    /// Serves one request.
    pub(super) async fn turn_away(self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
        const PREFACE: usize = 24;
        const HEADERS: u8 = 1;
        const DATA: u8 = 0;
        /// SETTINGS and `WINDOW_UPDATE`, both with 1 MiB.
        const WINDOWS: [u8; 28] = [
            0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 16, 0, 0, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 16, 0, 0,
        ];
        let wanted = match self {
            Self::Late(bytes) => bytes,
            _ => 0,
        };
        stream.write_all(&WINDOWS).await.unwrap();
        stream.read_exact(&mut [0; PREFACE]).await.unwrap();
        let (mut has_head, mut data) = (false, 0);
        while !has_head || data < wanted {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut frame = vec![0; length];
            stream.read_exact(&mut frame).await.unwrap();
            has_head |= head[3] == HEADERS;
            data += if head[3] == DATA { length } else { 0 };
        }
        stream.write_all(&self.frame()).await.unwrap();
        stream.shutdown().await.unwrap();
        // To close with unread data would be a reset, and the client might lose the frame.
        let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    }
}

/// The answer to a caller who sends this body to a server that echoes it.
async fn echoed(clusters: &Arc<Clusters>, body: &'static str) -> (u16, String) {
    let method = Method::POST;
    let sent = Sent { method, body };
    let (code, body) = call_by(clusters, None, sent, "/echo", &|| {}).await;
    (code, body.unwrap())
}

#[tokio::test]
async fn what_was_not_taken_is_sent_again_with_its_body() {
    let fault = TurnAway::With(h2::Reason::INTERNAL_ERROR);
    for how in [TurnAway::Before, fault, TurnAway::Refused] {
        let (spoke, clusters) = (Spoke::turning_away(how, 4).await, clusters());
        spoke.has_token(&clusters, "good");
        let answer = echoed(&clusters, "body").await;
        assert_eq!(answer, (200, "body".to_owned()), "{how:?}");
        assert_eq!(spoke.seen().len(), 1);
    }
}

#[tokio::test]
async fn what_may_have_been_taken_is_not_sent_again() {
    let (spoke, clusters) = (Spoke::turning_away(TurnAway::After, 1).await, clusters());
    spoke.has_token(&clusters, "good");
    assert_eq!(echoed(&clusters, "body").await.0, 502);
    assert!(spoke.seen().is_empty());
}

#[tokio::test]
async fn who_sends_too_much_to_be_kept_is_told_that_it_can_be_sent_again() {
    let late = TurnAway::Late(200 << 10);
    let (spoke, clusters) = (Spoke::turning_away(late, 1).await, clusters());
    spoke.has_token(&clusters, "good");
    let (code, body) = upload(&clusters, "/echo", LARGE).await;
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (code, &status["reason"]),
        (503, &"ServiceUnavailable".into())
    );
    assert_eq!(status["details"]["retryAfterSeconds"], 1);
    let (code, body) = upload(&clusters, "/echo", LARGE).await;
    assert_eq!((code, body.len()), (200, LARGE));
}

#[tokio::test]
async fn what_is_kept_whole_is_sent_again_whole() {
    let (spoke, clusters) = (Spoke::turning_away(TurnAway::Late(1), 1).await, clusters());
    spoke.has_token(&clusters, "good");
    for _ in 0..2 {
        let (code, body) = upload(&clusters, "/echo", SMALL).await;
        assert_eq!((code, body.len()), (200, SMALL));
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_not_asked_for_ever() {
    let (spoke, clusters) = (Spoke::turning_away(TurnAway::Before, 100).await, clusters());
    spoke.has_token(&clusters, "good");
    let (code, body) = echoed(&clusters, "body").await;
    assert_eq!(code, 503, "{body}");
    assert!(body.contains("try again"), "{body}");
}
