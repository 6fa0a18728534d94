//! The limits that the proxy alone can be checked against. Multiples of the Go stack
//! (cluster-gateway over konnectivity) use its figures from an earlier run, because it is not part
//! of this one. If a limit was set on a machine where the spoke alone was faster or slower than
//! here, a second line gives it relative to the spoke alone.

use crate::{
    bars::{
        self,
        Bar::{AtLeast, AtMost},
        Line,
    },
    bulk::Bulk,
    footprint::Footprint,
    neighbour::Neighbour,
    report::print,
    table::Table,
    usage::Costs,
    warm::Warm,
    watches::Watches,
    way::{Path, Role},
};

/// Requests per second of the Go stack at c=64: at its own door, and through the hub.
const GO_RATE: (f64, f64) = (346.0, 288.0);
/// MiB/s of the Go stack, at its best.
const GO_DOWNLOAD: f64 = 82.0;

/// The figures of the spoke alone on the machine where the limits were set: p50 in ms at c=1,
/// requests per second at c=64.
const SPOKE_ALONE: (f64, f64) = (0.70, 5250.0);

/// The measurements that the limits apply to.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) warm: &'a Warm<'a>,
    pub(crate) bulk: &'a Bulk<'a>,
    pub(crate) neighbour: &'a Neighbour,
    pub(crate) watches: &'a Watches,
    pub(crate) footprint: &'a Footprint,
}

impl Measured<'_> {
    /// Every table of the report.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let tables = [
            self.warm.table(),
            self.bulk.table(),
            self.watches.table(),
            self.footprint.table(),
            self.neighbour.table(),
            self.table(),
        ];
        tables
            .iter()
            .try_for_each(|table| print(&table.to_string()))
    }

    fn table(&self) -> Table {
        let lines = [
            self.requests(),
            self.throughput(),
            self.memory(),
            self.streams(),
        ];
        bars::table(lines.into_iter().flatten())
    }

    fn requests(&self) -> Vec<Line> {
        let p50 = |path| self.warm.spoke(path, 1, |cell| cell.p50.median());
        let cpu = self
            .warm
            .spoke(Path::Door, 64, |cell| Costs::own(&cell.cpu));
        let over = |path| p50(path) - p50(Path::Direct);
        let (door, hub) = (p50(Path::Door), p50(Path::Hub));
        let what = "gateway CPU ms per warm GET, c=64, door";
        let (beside_door, beside_hub) = (1.1 - SPOKE_ALONE.0, 1.9 - SPOKE_ALONE.0);
        vec![
            Line(what, AtMost(0.15), cpu, 3),
            Line("warm GET p50 ms, c=1, door", AtMost(1.1), door, 2),
            Line("… over direct", AtMost(beside_door), over(Path::Door), 2),
            Line("warm GET p50 ms, c=1, hub", AtMost(1.9), hub, 2),
            Line("… over direct", AtMost(beside_hub), over(Path::Hub), 2),
        ]
    }

    fn throughput(&self) -> Vec<Line> {
        let rate = |path| self.warm.spoke(path, 64, |cell| cell.rate.median());
        let share = |path| rate(path) / rate(Path::Direct);
        let (door, hub) = (10.0 * GO_RATE.0, 4.0 * GO_RATE.1);
        let (door_share, hub_share) = (door / SPOKE_ALONE.1, hub / SPOKE_ALONE.1);
        let download = self.bulk.rate(Path::Door);
        let of_door = "requests/s, c=64, door (10 × the Go stack)";
        let of_hub = "requests/s, c=64, hub (4 × the Go stack)";
        let of_download = "download MiB/s, door (3.5 × the Go stack)";
        vec![
            Line(of_door, AtLeast(door), rate(Path::Door), 0),
            Line("… ÷ direct", AtLeast(door_share), share(Path::Door), 2),
            Line(of_hub, AtLeast(hub), rate(Path::Hub), 0),
            Line("… ÷ direct", AtLeast(hub_share), share(Path::Hub), 2),
            Line(of_download, AtLeast(3.5 * GO_DOWNLOAD), download, 0),
        ]
    }

    fn memory(&self) -> Vec<Line> {
        let kept = self.footprint.grown(Path::Door, Role::Gateway);
        let per_watch = self.watches.memory(Path::Door);
        let watch = "KiB per watch, the gateway's share";
        vec![
            Line("MiB more after 10,000 requests", AtMost(10.0), kept, 1),
            Line(watch, AtMost(40.0), per_watch, 1),
        ]
    }

    fn streams(&self) -> Vec<Line> {
        let set_up = self.watches.set_up(Path::Door);
        let delivery = self.watches.delivery_p50(Path::Door);
        let beside = |path| (self.neighbour.p99_ratio(path) - 1.0) * 100.0;
        let (door, hub) = (beside(Path::Door), beside(Path::Hub));
        let at_door = "% more p99 beside a stalled download, door";
        let at_hub = "% more p99 beside a stalled download, hub";
        vec![
            Line("watches: set-up s, door", AtMost(0.3), set_up, 2),
            Line("watches: delivery p50 ms, door", AtMost(18.0), delivery, 1),
            Line(at_door, AtMost(5.0), door, 1),
            Line(at_hub, AtMost(5.0), hub, 1),
        ]
    }
}
