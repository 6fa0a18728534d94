//! The admin listener: it serves `/livez`, `/readyz` and `/metrics` over plain HTTP on an address
//! of its own. Only the kubelet and Prometheus need to reach it. It asks nobody who they are, so it
//! holds few connections, and none for long.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use crate::{
    listener::{Bounds, Visitor, accept},
    readiness::Readiness,
};

/// The content type of [`metrics_text`].
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// What the admin listener serves.
#[derive(Clone, Debug)]
pub struct Admin {
    /// What `/readyz` reports.
    pub readiness: Readiness,
    /// What `/metrics` reports.
    pub metrics: Arc<Registry>,
}

impl Admin {
    /// Serves until `stop` is cancelled.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let (admin, stopped) = (Arc::new(self), stop.clone());
        accept(
            listener,
            Bounds::ANONYMOUS,
            tasks.clone(),
            stop,
            |stream, visitor| Arc::clone(&admin).connection(stream, visitor, stopped.clone()),
        )
        .await;
        tasks.close();
        tasks.wait().await;
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        visitor: Arc<Visitor>,
        stop: CancellationToken,
    ) {
        let service = service_fn(|request: Request<Incoming>| {
            std::future::ready(Ok::<_, Infallible>(
                self.answer(request.method(), request.uri().path()),
            ))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = select! {
            ended = connection.as_mut() => ended,
            () = async {
                select! {
                    () = visitor.dismissed() => {}
                    () = stop.cancelled() => {}
                }
            } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "admin connection ended");
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        const PLAIN: &str = "text/plain; charset=utf-8";
        let (code, content_type, text) = match path {
            _ if !matches!(*method, Method::GET | Method::HEAD) => {
                (StatusCode::METHOD_NOT_ALLOWED, PLAIN, String::new())
            }
            "/livez" => (StatusCode::OK, PLAIN, "ok".to_owned()),
            "/readyz" if self.readiness.is_ready() => {
                (StatusCode::OK, PLAIN, self.readiness.report())
            }
            "/readyz" => {
                let report = self.readiness.report();
                (StatusCode::SERVICE_UNAVAILABLE, PLAIN, report)
            }
            "/metrics" => {
                let text = metrics_text(&self.metrics);
                (StatusCode::OK, METRICS_CONTENT_TYPE, text)
            }
            _ => (StatusCode::NOT_FOUND, PLAIN, String::new()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = code;
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// The registry in the OpenMetrics text format.
pub fn metrics_text(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)
        .expect("writing to a String cannot fail");
    text
}
