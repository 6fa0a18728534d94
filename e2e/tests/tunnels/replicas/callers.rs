//! Requests one after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kube::{Client, client::Body};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::stage::{SPOKES, request};
use crate::stage::GATEWAYS;

/// Longer than any component waits for an answer.
const SOON: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_millis(50);
/// The pause after each answer. Without it the callers would take the machine from other tests.
const THINK: Duration = Duration::from_millis(10);

/// The entrance of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entrance {
    /// At the hub's API server.
    Hub,
    /// At one gateway.
    Gateway,
}

/// A failed request.
#[derive(Debug)]
#[expect(dead_code, reason = "what was said is for whoever reads a failure")]
pub(super) struct Failed {
    /// The entrance that was used.
    pub(super) by: Entrance,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    /// `None` if it broke off.
    pub(super) code: Option<u16>,
    pub(super) said: String,
}

/// Sends one request after the other until the test is over, and returns those that failed.
pub(super) async fn call(
    by: Entrance,
    client: Client,
    number: usize,
    over: watch::Receiver<bool>,
    done: Arc<AtomicUsize>,
) -> Vec<Failed> {
    let spoke = SPOKES[number % SPOKES.len()];
    let path = format!("{GATEWAYS}/{spoke}/proxy/api/v1/namespaces/default");
    let mut failed = Vec::new();
    while !*over.borrow() {
        let begun = Instant::now();
        let answer = timeout(SOON, answer(&client, &path)).await;
        let (code, said) = match answer.unwrap_or_else(|late| (None, late.to_string())) {
            (Some(200), _) => {
                done.fetch_add(1, Ordering::Relaxed);
                sleep(THINK).await;
                continue;
            }
            answer => answer,
        };
        let ended = Instant::now();
        failed.push(Failed {
            by,
            begun,
            ended,
            code,
            said,
        });
        sleep(RETRY).await;
    }
    failed
}

/// The code and body of an answer, or how it broke off.
async fn answer(client: &Client, path: &str) -> (Option<u16>, String) {
    // The hub replaces our headers about the caller by its own.
    let request = request(path).body(Body::empty());
    let answer = match client.send(request.unwrap()).await {
        Ok(answer) => answer,
        Err(error) => return (None, format!("{error:?}")),
    };
    let code = answer.status().as_u16();
    match answer.into_body().collect_bytes().await {
        Ok(body) => (Some(code), String::from_utf8_lossy(&body).into_owned()),
        Err(error) => (None, format!("{code}, then {error:?}")),
    }
}
