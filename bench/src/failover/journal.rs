//! What all callers report, and the totals for one event. Pure except for its lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::failure::Failure;
use crate::statistics::Latencies;

/// Where callers enter.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Entrance {
    /// The hub's API server.
    Hub,
    /// The gateways' own port, behind the Service.
    Door,
    /// The managed cluster's API server without a gateway, for comparison.
    Direct,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Watch,
    /// A watch over WebSocket, on an upgraded connection.
    Upgrade,
}

/// A request that has ended.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) entrance: Entrance,
    pub(super) cluster: usize,
    pub(super) sent: Instant,
    pub(super) done: Instant,
    pub(super) outcome: Result<(), Failure>,
}

/// Something that happened to a stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) entrance: Entrance,
    pub(super) kind: Kind,
    pub(super) number: usize,
    pub(super) at: Instant,
    pub(super) what: Happened,
}

/// What happened to the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Happened {
    /// An event arrived, this many after the one that should have been next.
    Event { lost: u64 },
    /// It ended with this message.
    Cut(String),
    /// It could not be started again.
    NotBegun(String),
}

/// Everything that callers have reported since the last [`take`](Self::take). Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Arc<Mutex<Entries>>);

/// What callers have reported.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) requests: Vec<Request>,
    pub(super) streams: Vec<Stream>,
}

/// The totals of the requests at one entrance.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) made: usize,
    pub(super) failed: usize,
    /// How many of the failed requests had been sent before the event.
    pub(super) in_flight: usize,
    /// The longest time in which no caller had an answer.
    pub(super) gap: Duration,
    /// The same for the cluster with the longest time.
    pub(super) cluster_gap: Duration,
    /// The latencies of requests that were sent after the event began and were answered.
    pub(super) latencies: Latencies,
}

/// How often a failure was seen, and the longest time that a caller waited for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) count: usize,
    pub(super) longest: Duration,
}

/// The totals of the streams of one kind at one entrance.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Streams {
    /// The number of streams.
    pub(super) count: usize,
    /// How often a stream was cut, by the message with which it ended.
    pub(super) cuts: BTreeMap<String, usize>,
    /// How often a stream could not be started again at once, by the failure.
    pub(super) not_begun: BTreeMap<String, usize>,
    /// Events that no watch of a stream delivered.
    pub(super) lost: u64,
    /// The longest time without an event.
    pub(super) silence: Duration,
}

impl Journal {
    pub(super) fn request(&self, request: Request) {
        self.0.lock().requests.push(request);
    }

    pub(super) fn stream(&self, stream: Stream) {
        self.0.lock().streams.push(stream);
    }

    /// Takes everything that was reported until now.
    pub(super) fn take(&self) -> Entries {
        std::mem::take(&mut self.0.lock())
    }
}

impl Entries {
    /// The totals of the requests at `entrance` that ended between two moments.
    pub(super) fn requests(&self, entrance: Entrance, from: Instant, to: Instant) -> Requests {
        let made: Vec<_> = self.at(entrance).collect();
        let failed = || made.iter().filter(|it| it.outcome.is_err());
        let answered = || made.iter().filter(|it| it.outcome.is_ok());
        let clusters: BTreeSet<_> = made.iter().map(|it| it.cluster).collect();
        let of = |cluster| answered().filter(move |it| it.cluster == cluster);
        let gaps = clusters
            .into_iter()
            .map(|cluster| longest_gap(of(cluster).map(|it| it.done), from, to));
        let new = answered().filter(|it| it.sent >= from);
        Requests {
            made: made.len(),
            failed: failed().count(),
            in_flight: failed().filter(|it| it.sent < from).count(),
            gap: longest_gap(answered().map(|it| it.done), from, to),
            cluster_gap: gaps.max().unwrap_or_default(),
            latencies: Latencies::new(new.map(|it| it.done - it.sent).collect()),
        }
    }

    /// The failures at `entrance`.
    pub(super) fn failures(&self, entrance: Entrance) -> BTreeMap<Failure, Seen> {
        let mut failures = BTreeMap::<_, Seen>::new();
        for request in self.at(entrance) {
            if let Err(failure) = &request.outcome {
                let seen = failures.entry(failure.clone()).or_default();
                seen.count += 1;
                seen.longest = seen.longest.max(request.done - request.sent);
            }
        }
        failures
    }

    /// The totals of `count` streams between two moments.
    pub(super) fn streams(
        &self,
        (entrance, kind): (Entrance, Kind),
        count: usize,
        from: Instant,
        to: Instant,
    ) -> Streams {
        let of_kind = |it: &&Stream| (it.entrance, it.kind) == (entrance, kind);
        let mut streams = Streams {
            count,
            ..Streams::default()
        };
        let mut arrivals = vec![Vec::new(); count];
        for stream in self.streams.iter().filter(of_kind) {
            match &stream.what {
                Happened::Event { lost } => {
                    streams.lost += lost;
                    if let Some(arrivals) = arrivals.get_mut(stream.number) {
                        arrivals.push(stream.at);
                    }
                }
                Happened::Cut(words) => *streams.cuts.entry(words.clone()).or_default() += 1,
                Happened::NotBegun(words) => {
                    *streams.not_begun.entry(words.clone()).or_default() += 1;
                }
            }
        }
        let silences = arrivals.into_iter().map(|it| longest_gap(it, from, to));
        streams.silence = silences.max().unwrap_or_default();
        streams
    }

    fn at(&self, entrance: Entrance) -> impl Iterator<Item = &Request> {
        let here = move |it: &&Request| it.entrance == entrance;
        self.requests.iter().filter(here)
    }
}

/// The longest gap without any of these moments.
fn longest_gap(moments: impl IntoIterator<Item = Instant>, from: Instant, to: Instant) -> Duration {
    let mut moments: Vec<_> = moments.into_iter().collect();
    moments.retain(|moment| (from..=to).contains(moment));
    moments.extend([from, to]);
    moments.sort_unstable();
    let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
