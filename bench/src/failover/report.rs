//! The tables: what each event cost requests and streams, how requests failed, and when each
//! cluster had two replicas again.

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::time::Instant;

use super::{
    event::Event,
    journal::{Entrance, Entries, Kind, Seen, Streams},
    load::Numbers,
    spread::{Holds, Standing},
};
use crate::{
    report::print,
    table::{Table, figure},
};

const ENTRANCES: [Entrance; 2] = [Entrance::Hub, Entrance::Door];
/// The entrances, and the direct path without a gateway: if that is slow as well, the machine is to
/// blame.
const WAYS: [Entrance; 3] = [Entrance::Hub, Entrance::Door, Entrance::Direct];
const KINDS: [Kind; 2] = [Kind::Watch, Kind::Upgrade];

/// A finished event, with everything that callers saw during it.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) event: Event,
    pub(super) begin: Instant,
    /// When all gateways were there again.
    pub(super) back: Instant,
    pub(super) end: Instant,
    pub(super) entries: Entries,
    pub(super) standing: Standing,
}

/// Prints every table.
pub(super) fn tables(past: &[Past], numbers: Numbers) -> anyhow::Result<()> {
    let tables = [
        requests(past),
        failures(past),
        streams(past, numbers),
        ends(past, numbers),
        spread(past),
    ];
    tables
        .iter()
        .try_for_each(|table| print(&table.to_string()))
}

fn requests(past: &[Past]) -> Table {
    let mut table = Table::new(&[
        "requests, by event",
        "made",
        "failed",
        "of these in flight before",
        "longest gap s",
        "… of one cluster",
        "p50 ms",
        "p99 ms",
        "max ms",
    ]);
    for it in past {
        for entrance in WAYS {
            let seen = it.entries.requests(entrance, it.begin, it.end);
            table.row([
                format!("{}, {entrance}", it.event),
                seen.made.to_string(),
                seen.failed.to_string(),
                seen.in_flight.to_string(),
                seconds(seen.gap),
                seconds(seen.cluster_gap),
                figure(seen.latencies.percentile(50), 1),
                figure(seen.latencies.percentile(99), 1),
                figure(seen.latencies.percentile(100), 1),
            ]);
        }
    }
    table
}

fn failures(past: &[Past]) -> Table {
    let mut table = Table::new(&[
        "failed requests, by what callers saw",
        "count",
        "after s at most",
    ]);
    let (mut typed, mut untyped) = (0, 0);
    for it in past {
        for entrance in WAYS {
            for (failure, Seen { count, longest }) in it.entries.failures(entrance) {
                *(if failure.is_typed() {
                    &mut typed
                } else {
                    &mut untyped
                }) += count;
                let what = format!("{}, {entrance}: {failure}", it.event);
                table.row([what, count.to_string(), seconds(longest)]);
            }
        }
    }
    for (what, count) in [
        ("all that a status explains (429, 502, 503, 504)", typed),
        ("all others", untyped),
    ] {
        table.row([what.to_owned(), count.to_string(), String::new()]);
    }
    table
}

fn streams(past: &[Past], numbers: Numbers) -> Table {
    let mut table = Table::new(&[
        "streams, by event",
        "open",
        "cut",
        "tries to begin again that failed",
        "events lost",
        "longest silence s",
    ]);
    for (what, seen) in all_streams(past, numbers) {
        table.row([
            what,
            seen.count.to_string(),
            sum(&seen.cuts),
            sum(&seen.not_begun),
            seen.lost.to_string(),
            seconds(seen.silence),
        ]);
    }
    table
}

fn ends(past: &[Past], numbers: Numbers) -> Table {
    let mut table = Table::new(&["streams cut and not begun, by what they saw", "count"]);
    for (what, seen) in all_streams(past, numbers) {
        for (how, words) in [("cut", &seen.cuts), ("not begun", &seen.not_begun)] {
            for (words, count) in words {
                table.row([format!("{what}, {how}: {words}"), count.to_string()]);
            }
        }
    }
    table
}

/// The rows for each event, entrance and kind.
fn all_streams(past: &[Past], numbers: Numbers) -> Vec<(String, Streams)> {
    let mut all = Vec::new();
    for it in past {
        for entrance in ENTRANCES {
            for kind in KINDS {
                let (of, count) = ((entrance, kind), numbers.of(kind));
                let seen = it.entries.streams(of, count, it.begin, it.end);
                all.push((format!("{}, {entrance}, {kind}", it.event), seen));
            }
        }
    }
    all
}

fn sum(counts: &BTreeMap<String, usize>) -> String {
    counts.values().sum::<usize>().to_string()
}

fn spread(past: &[Past]) -> Table {
    let mut table = Table::new(&[
        "tunnels, by event",
        "event took s",
        "each cluster at two replicas, s after it",
        "… at each replica",
        "less than two for s in all",
    ]);
    for it in past {
        let Standing { two, all } = it.standing;
        let after = |holds: Holds| {
            let since = holds.since?;
            Some(seconds(since.saturating_duration_since(it.back)))
        };
        let after = |holds| after(holds).unwrap_or_else(|| "not".to_owned());
        table.row([
            it.event.to_string(),
            seconds(it.back - it.begin),
            after(two),
            after(all),
            seconds(two.lacking),
        ]);
    }
    table
}

fn seconds(duration: Duration) -> String {
    figure(duration.as_secs_f64(), 2)
}

impl fmt::Display for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hub => "hub",
            Self::Door => "door",
            Self::Direct => "direct",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watch => "watches",
            Self::Upgrade => "upgrades",
        })
    }
}
