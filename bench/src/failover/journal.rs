//! What all callers saw, as they tell it, and what it amounts to for one event. Pure but for its lock.

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
    /// The managed cluster's API server, past all gateways, for comparison.
    Direct,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Watch,
    /// A watch over WebSocket, on an upgraded connection.
    Upgrade,
}

/// A request that is over.
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

/// What happened to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Happened {
    /// An event arrived, so many after the one that should have been next.
    Event { lost: u64 },
    /// It ended, with these words.
    Cut(String),
    /// It could not begin again.
    NotBegun(String),
}

/// All that callers have told since it was last taken. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Arc<Mutex<Entries>>);

/// What callers told.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) requests: Vec<Request>,
    pub(super) streams: Vec<Stream>,
}

/// What requests at one entrance came to.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) made: usize,
    pub(super) failed: usize,
    /// Of those that failed, how many had been sent before the event.
    pub(super) in_flight: usize,
    /// The longest time in which no caller had an answer.
    pub(super) gap: Duration,
    /// The same of the cluster for which it was longest.
    pub(super) cluster_gap: Duration,
    /// Of those that were sent after the event began, and answered.
    pub(super) latencies: Latencies,
}

/// How often one failure was seen, and how long a caller waited for it at most.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) count: usize,
    pub(super) longest: Duration,
}

/// What became of the streams of one kind at one entrance.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Streams {
    /// How many there were.
    pub(super) count: usize,
    /// How often one was cut, by the words with which it ended.
    pub(super) cuts: BTreeMap<String, usize>,
    /// How often one could not begin again at once, by what it saw.
    pub(super) not_begun: BTreeMap<String, usize>,
    /// Events that none of its lives delivered.
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

    /// Everything until now.
    pub(super) fn take(&self) -> Entries {
        std::mem::take(&mut self.0.lock())
    }
}

impl Entries {
    /// Of the requests at `entrance` that ended between two moments.
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

    /// Of `count` streams between two moments.
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

/// The longest time between two moments in which none of these moments is.
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
