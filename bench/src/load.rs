//! A closed loop: each stream sends its next request when the answer to the last one is complete.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    client::{Connection, Get, Sender},
    statistics::Latencies,
};

/// When a loop ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    /// After this time.
    Lasting(Duration),
    /// After this many requests over all streams.
    Requests(usize),
}

/// The results of a loop.
#[derive(Debug)]
pub(crate) struct Load {
    /// From sending a request to the last byte of its answer.
    pub(crate) latencies: Latencies,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.count() / self.elapsed.as_secs_f64()
    }
}

/// Runs `streams` streams, spread evenly over the connections.
pub(crate) async fn closed_loop(
    connections: &[Connection],
    request: &Get,
    streams: usize,
    extent: Extent,
) -> anyhow::Result<Load> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for (_, connection) in (0..streams).zip(connections.iter().cycle()) {
        let stream = Stream {
            sender: connection.sender(),
            request: request.clone(),
        };
        tasks.spawn(match extent {
            Extent::Lasting(time) => stream.run(Some(started + time), usize::MAX),
            Extent::Requests(all) => stream.run(None, all.div_ceil(streams)),
        });
    }
    let mut latencies = Vec::new();
    while let Some(stream) = tasks.join_next().await {
        latencies.extend(stream??);
    }
    Ok(Load {
        latencies: Latencies::new(latencies),
        elapsed: started.elapsed(),
    })
}

struct Stream {
    sender: Sender,
    request: Get,
}

impl Stream {
    async fn run(mut self, end: Option<Instant>, most: usize) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        let mut sent = Instant::now();
        while latencies.len() < most && end.is_none_or(|end| sent < end) {
            let mut body = self.sender.send(&self.request).await?.into_body();
            while let Some(frame) = body.frame().await {
                frame?;
            }
            let answered = Instant::now();
            latencies.push(answered - sent);
            sent = answered;
        }
        Ok(latencies)
    }
}
