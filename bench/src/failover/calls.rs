//! Requests in a closed loop: each caller waits for the answer before it sends the next request to
//! the next cluster. It keeps its connection for as long as the connection lasts.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use super::{
    failure::{Failure, is_unsent},
    journal::{Journal, Request},
    site::Caller,
};
use crate::client::{Connection, Get, Whole};

/// After this time without an answer a caller gives up.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// The pause between an answer and the next request. It keeps the machine from being the limit.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a request is sent again if the server has provably not begun with it.
const TRIES: usize = 3;

/// One caller, which calls until it is dropped. It begins with the cluster `first`.
pub(super) async fn call(caller: Caller, first: usize, journal: Journal) {
    let mut connection = None;
    for cluster in (first..).map(|it| it % caller.clusters()) {
        let sent = Instant::now();
        let asked = timeout(DEADLINE, ask(&caller, cluster, &mut connection)).await;
        let outcome = asked.unwrap_or(Err(Failure::Silent(DEADLINE.as_secs())));
        // After an answer the connection is good. Any other outcome may be the connection's fault.
        if !matches!(outcome, Ok(()) | Err(Failure::Refused { .. })) {
            connection = None;
        }
        journal.request(Request {
            entrance: caller.entrance,
            cluster,
            sent,
            done: Instant::now(),
            outcome,
        });
        sleep(PAUSE).await;
    }
}

async fn ask(
    caller: &Caller,
    cluster: usize,
    connection: &mut Option<Connection>,
) -> Result<(), Failure> {
    let client = caller.client_of(cluster);
    let request = client.get("/api/v1/namespaces/default/configmaps/bench");
    let request = request.map_err(|error| Failure::connect(&error))?;
    let mut tries = 0..TRIES;
    loop {
        tries.next();
        let usable = match connection.take() {
            Some(it) if it.sender().is_usable().await => it,
            // The server has closed the connection, or there was none yet.
            _ => client
                .connect()
                .await
                .map_err(|error| Failure::connect(&error))?,
        };
        match answer(connection.insert(usable), &request).await {
            Err(error) if is_unsent(&error) && !tries.is_empty() => *connection = None,
            Err(error) => return Err(Failure::broken(&error)),
            Ok(outcome) => return outcome,
        }
    }
}

async fn answer(
    connection: &Connection,
    request: &Get,
) -> Result<Result<(), Failure>, hyper::Error> {
    Ok(match connection.sender().whole(request).await? {
        Whole(StatusCode::OK, Some(_)) => Ok(()),
        Whole(status, Some(body)) => Err(Failure::refused(status, &body)),
        Whole(status, None) => Err(Failure::Cut(status.as_u16())),
    })
}
