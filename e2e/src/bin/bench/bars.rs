//! The bars that this path has to clear, beside what was measured. Those that are multiples of the
//! Go stack (cluster-gateway over konnectivity) take its figures from an earlier run: it is not part
//! of this one. Where a bar was set on a machine whose spoke alone was faster or slower than here,
//! a second line says it relative to the spoke alone.

use self::Bar::{AtLeast, AtMost};
use crate::{
    bulk::Bulk,
    footprint::Footprint,
    neighbour::Neighbour,
    site::{Path, Upstream},
    table::{Table, figure},
    warm::{Cell, Warm},
    watches::{Watches, Watching},
};

/// Requests per second of the Go stack at c=64: its own door, and through the hub.
const GO_RATE: (f64, f64) = (346.0, 288.0);
/// MiB/s of the Go stack, at its best.
const GO_DOWNLOAD: f64 = 82.0;

/// What the spoke alone did where the bars were set: p50 in ms at c=1, requests per second at c=64.
const SPOKE_ALONE: (f64, f64) = (0.70, 5250.0);

/// On which side of the bar a figure has to be.
#[derive(Clone, Copy, Debug)]
enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// The measurements that the bars are about.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) warm: &'a Warm,
    pub(crate) bulk: &'a Bulk,
    pub(crate) neighbour: &'a Neighbour,
    pub(crate) watches: &'a Watches,
    pub(crate) footprint: &'a Footprint,
}

impl Bar {
    fn holds(self, value: f64) -> bool {
        match self {
            AtMost(bar) => value <= bar,
            AtLeast(bar) => value >= bar,
        }
    }

    fn show(self, decimals: usize) -> String {
        match self {
            AtMost(bar) => format!("≤ {}", figure(bar, decimals)),
            AtLeast(bar) => format!("≥ {}", figure(bar, decimals)),
        }
    }

    /// The figure as a share of the bar.
    fn share(self, value: f64) -> f64 {
        let (AtMost(bar) | AtLeast(bar)) = self;
        value / bar
    }
}

impl Measured<'_> {
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&["what", "bar", "measured", "÷ bar", "holds"]);
        let lines = [
            self.requests(),
            self.throughput(),
            self.memory(),
            self.streams(),
        ];
        for Line(what, bar, value, decimals) in lines.into_iter().flatten() {
            table.row([
                what.to_owned(),
                bar.show(decimals),
                figure(value, decimals),
                figure(bar.share(value), 2),
                if bar.holds(value) { "yes" } else { "no" }.to_owned(),
            ]);
        }
        table
    }

    fn requests(&self) -> Vec<Line> {
        let p50 = |path| self.warm(path, 1, |cell| cell.p50.median());
        let cpu = self.warm(Path::Door, 64, |cell| cell.gateway.median());
        let over = |path| p50(path) - p50(Path::Direct);
        let what = "gateway CPU ms per warm GET, c=64, door";
        vec![
            Line(what, AtMost(0.15), cpu, 3),
            Line(
                "warm GET p50 ms, c=1, door",
                AtMost(1.1),
                p50(Path::Door),
                2,
            ),
            Line(
                "… over direct",
                AtMost(1.1 - SPOKE_ALONE.0),
                over(Path::Door),
                2,
            ),
            Line("warm GET p50 ms, c=1, hub", AtMost(1.9), p50(Path::Hub), 2),
            Line(
                "… over direct",
                AtMost(1.9 - SPOKE_ALONE.0),
                over(Path::Hub),
                2,
            ),
        ]
    }

    fn throughput(&self) -> Vec<Line> {
        let rate = |path| self.warm(path, 64, |cell| cell.rate.median());
        let share = |path| rate(path) / rate(Path::Direct);
        let (door, hub) = (10.0 * GO_RATE.0, 4.0 * GO_RATE.1);
        let (door_share, hub_share) = (door / SPOKE_ALONE.1, hub / SPOKE_ALONE.1);
        let download = self.bulk.rate(Path::Door);
        let what = "download MiB/s, door (3.5 × the Go stack)";
        vec![
            Line(
                "requests/s, c=64, door (10 × the Go stack)",
                AtLeast(door),
                rate(Path::Door),
                0,
            ),
            Line("… ÷ direct", AtLeast(door_share), share(Path::Door), 2),
            Line(
                "requests/s, c=64, hub (4 × the Go stack)",
                AtLeast(hub),
                rate(Path::Hub),
                0,
            ),
            Line("… ÷ direct", AtLeast(hub_share), share(Path::Hub), 2),
            Line(what, AtLeast(3.5 * GO_DOWNLOAD), download, 0),
        ]
    }

    fn memory(&self) -> Vec<Line> {
        let Footprint { idle, after, .. } = self.footprint;
        let kept = after.resident.median() - idle.resident.median();
        let per_watch = self.watching(|it| it.memory.median());
        vec![
            Line("MiB kept after 10,000 requests", AtMost(10.0), kept, 1),
            Line(
                "KiB per watch, the gateway's share",
                AtMost(40.0),
                per_watch,
                1,
            ),
        ]
    }

    fn streams(&self) -> Vec<Line> {
        let set_up = self.watching(|it| it.set_up.median());
        let delivery = self.watching(|it| it.p50.median());
        let beside = |path| (self.neighbour.p99_ratio(path) - 1.0) * 100.0;
        let (door, hub) = (beside(Path::Door), beside(Path::Hub));
        vec![
            Line("watches: set-up s, door", AtMost(0.3), set_up, 2),
            Line("watches: delivery p50 ms, door", AtMost(18.0), delivery, 1),
            Line(
                "% more p99 beside a stalled download, door",
                AtMost(5.0),
                door,
                1,
            ),
            Line(
                "% more p99 beside a stalled download, hub",
                AtMost(5.0),
                hub,
                1,
            ),
        ]
    }

    fn warm(&self, path: Path, streams: usize, figure: fn(&Cell) -> f64) -> f64 {
        let cell = self.warm.cell(Upstream::Spoke, path, streams);
        cell.map_or(f64::NAN, figure)
    }

    fn watching(&self, figure: fn(&Watching) -> f64) -> f64 {
        self.watches.path(Path::Door).map_or(f64::NAN, figure)
    }
}

/// What is measured, its bar, its figure, and how many decimals to show.
#[derive(Debug)]
struct Line(&'static str, Bar, f64, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_a_side_and_nothing_measured_clears_none() {
        assert!(AtMost(1.0).holds(1.0) && !AtMost(1.0).holds(1.1));
        assert!(AtLeast(1.0).holds(1.0) && !AtLeast(1.0).holds(0.9));
        assert!(!AtMost(1.0).holds(f64::NAN) && !AtLeast(1.0).holds(f64::NAN));
        assert_eq!(AtMost(0.15).show(2), "≤ 0.15");
    }
}
