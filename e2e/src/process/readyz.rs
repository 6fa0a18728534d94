//! The readiness check that all these servers have.

use std::time::Duration;

use http::Request;
use kube::{Client, Config};

use super::{Process, ProcessError};
use crate::eventually::chain;

impl Process {
    /// Waits until the server tells `client` that it is ready, for `deadline` at most.
    pub(crate) async fn says_ready(
        &self,
        deadline: Duration,
        client: &Client,
    ) -> Result<(), ProcessError> {
        let probe = || async {
            let request = Request::get("/readyz")
                .body(Vec::new())
                .expect("a valid request");
            let answer = client.request_text(request).await;
            answer.map_err(|error| chain(&error))
        };
        self.ready(deadline, probe).await.map(drop)
    }
}

/// A client without credentials, for health listeners over plain HTTP.
pub(crate) fn plain(url: &str) -> Client {
    let config = Config::new(url.parse().expect("our own URL parses"));
    Client::try_from(config).expect("a client without credentials")
}
