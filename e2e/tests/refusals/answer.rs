//! A raw answer, and the check of a refusal's body.

use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body as http_body;
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::time::timeout;

/// The longest time that a refusal may take.
const WHOLE_WITHIN: Duration = Duration::from_mins(1);

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// GETs a path, which is sent byte for byte.
    pub(crate) async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Self::read(
            client
                .send(request.body(Body::empty()).unwrap())
                .await
                .unwrap(),
        )
        .await
    }

    /// Reads an answer.
    pub(crate) async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        let (head, body) = response.into_parts();
        let read = timeout(WHOLE_WITHIN, body.collect()).await;
        let bytes = read.expect("an answer that ends").unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: head.status.as_u16(),
            headers: head.headers,
            text,
        }
    }

    /// Checks that it is a `Status` with this code and reason, and returns its message.
    pub(crate) fn refuses(&self, code: u16, reason: &str) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        let status = self.json();
        assert_eq!(status["kind"], "Status", "{self:?}");
        assert_eq!(status["apiVersion"], "v1", "{self:?}");
        assert_eq!(status["status"], "Failure", "{self:?}");
        assert_eq!(status["code"], code, "{self:?}");
        assert_eq!(status["reason"], reason, "{self:?}");
        status["message"].as_str().unwrap().to_owned()
    }

    /// Checks that its details name the cluster and the phase, and that its message names the
    /// cluster.
    pub(crate) fn blames(&self, cluster: &str, phase: &str) {
        let status = self.json();
        let details = &status["details"];
        assert_eq!(details["name"], cluster, "{self:?}");
        assert_eq!(details["group"], "cluster.core.oam.dev", "{self:?}");
        assert_eq!(details["kind"], "clustergateways", "{self:?}");
        assert_eq!(details["causes"][0]["reason"], phase, "{self:?}");
        assert!(
            status["message"].as_str().unwrap().contains(cluster),
            "{self:?}"
        );
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}
