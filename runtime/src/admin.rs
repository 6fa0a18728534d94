//! The admin listener: it serves `/livez`, `/readyz` and `/metrics` over plain HTTP on an address
//! of its own. Only the kubelet and Prometheus need to reach it.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::readiness::Readiness;

/// The content type of [`metrics_text`].
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
        let routes = Router::new()
            .route("/livez", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self);
        let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            warn!(%error, "admin listener ended");
        }
    }
}

/// The registry in the OpenMetrics text format.
pub fn metrics_text(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)
        .expect("writing to a String cannot fail");
    text
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, String) {
    let code = if admin.readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, admin.readiness.report())
}

async fn metrics(State(admin): State<Admin>) -> ([(HeaderName, &'static str); 1], String) {
    (
        [(CONTENT_TYPE, METRICS_CONTENT_TYPE)],
        metrics_text(&admin.metrics),
    )
}
