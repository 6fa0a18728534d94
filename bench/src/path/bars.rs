//! The limits that the whole path can be checked against. Multiples of the Go stack use its figures
//! of the same run.

use super::{idle::Idle, recovery::Recovery};
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
    statistics::number,
    table::Table,
    usage::Costs,
    warm::Warm,
    watches::Watches,
    way::{Path, Role, Upstream},
};

/// The measurements that the limits apply to.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) warm: &'a Warm<'a>,
    pub(crate) bulk: &'a Bulk<'a>,
    pub(crate) neighbour: &'a Neighbour,
    pub(crate) watches: &'a Watches,
    pub(crate) footprint: &'a Footprint,
    pub(crate) recovery: &'a Recovery,
    pub(crate) idle: &'a Idle,
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
            self.recovery.table(),
            self.idle.table(),
            self.table(),
        ];
        tables
            .iter()
            .try_for_each(|table| print(&table.to_string()))
    }

    fn table(&self) -> Table {
        let lines = [
            self.requests(),
            self.passed(),
            self.held(),
            self.streams(),
            self.agents(),
        ];
        bars::table(lines.into_iter().flatten())
    }

    fn requests(&self) -> Vec<Line> {
        let p50 = |path| self.warm.spoke(path, 1, |cell| cell.p50.median());
        let cpu = |path| self.warm.spoke(path, 64, |cell| Costs::own(&cell.cpu));
        let rate = |path| self.warm.spoke(path, 64, |cell| cell.rate.median());
        let door = |path| rate(path) / rate(Path::GoDoor);
        let hub = |path| rate(path) / rate(Path::GoHub);
        let download = |path| self.bulk.rate(path) / self.bulk.rate(Path::GoDoor);
        let of_cpu = |path, what| Line(what, AtMost(0.15), cpu(path), 3);
        let at_door = |path, what| Line(what, AtMost(1.1), p50(path), 2);
        let at_hub = |path, what| Line(what, AtMost(1.9), p50(path), 2);
        let of_door = |path, what| Line(what, AtLeast(10.0), door(path), 1);
        let of_hub = |path, what| Line(what, AtLeast(4.0), hub(path), 1);
        let of_bulk = |path, what| Line(what, AtLeast(3.5), download(path), 1);
        let (cpu_of_own, port) = (
            "CPU ms of gateway + agent per warm GET, c=64, door",
            "… door, port",
        );
        vec![
            of_cpu(Path::Door, cpu_of_own),
            of_cpu(Path::DoorPort, port),
            at_door(Path::Door, "warm GET p50 ms, c=1, door"),
            at_door(Path::DoorPort, port),
            at_hub(Path::Hub, "warm GET p50 ms, c=1, hub"),
            at_hub(Path::HubPort, "… hub, port"),
            of_door(Path::Door, "requests/s, c=64, door ÷ Go door"),
            of_door(Path::DoorPort, port),
            of_hub(Path::Hub, "requests/s, c=64, hub ÷ Go hub"),
            of_hub(Path::HubPort, "… hub, port"),
            of_bulk(Path::Door, "download, door ÷ Go door"),
            of_bulk(Path::DoorPort, port),
        ]
    }

    /// What a request or a download costs more if it comes in at a replica without the tunnel.
    fn passed(&self) -> Vec<Line> {
        let gateways = [Role::Gateway, Role::Passing];
        let cpu = |path, streams| {
            let cell = self.warm.cell(Upstream::Spoke, path, streams);
            cell.map_or(f64::NAN, |cell| cell.cpu.sum(&gateways))
        };
        let more_cpu = |streams| cpu(Path::Passed, streams) - cpu(Path::Door, streams);
        let latency = self.warm.later(Path::Passed, Path::Door, 1);
        let download = 100.0 * self.bulk.ratio(Path::Passed, Path::Door);
        let of_cpu = "passed: more CPU ms of all gateways per warm GET, c=1";
        vec![
            Line(
                "passed: ms later, warm GET p50, c=1",
                AtMost(0.25),
                latency,
                2,
            ),
            Line(of_cpu, AtMost(0.06), more_cpu(1), 3),
            Line("… c=64", AtMost(0.06), more_cpu(64), 3),
            Line(
                "passed: % of the download at the door",
                AtLeast(70.0),
                download,
                0,
            ),
        ]
    }

    fn held(&self) -> Vec<Line> {
        let grown = |role| self.footprint.grown(Path::Door, role);
        let files = self.footprint.more_files(Path::Door, Role::Gateway);
        let watch = self.watches.memory(Path::Door);
        let agent = self.footprint.resident(Path::Door, Role::Agent);
        let (gateway, of_agent) = (grown(Role::Gateway), grown(Role::Agent));
        let more = "gateway: MiB more after all requests";
        let more_files = "gateway: open files more after all requests than after 64";
        let watched = "KiB per tunnelled watch, gateway + agent";
        vec![
            Line(more, AtMost(10.0), gateway, 1),
            Line(
                "agent: MiB more after all requests",
                AtMost(10.0),
                of_agent,
                1,
            ),
            Line(more_files, AtMost(5.0), files, 0),
            Line(
                "agent: MiB resident after all requests",
                AtMost(15.0),
                agent,
                1,
            ),
            Line(watched, AtMost(40.0), watch, 1),
        ]
    }

    fn streams(&self) -> Vec<Line> {
        let set_up = self.watches.set_up(Path::Door);
        let delivery = self.watches.delivery_p50(Path::Door);
        let beside = |path| (self.neighbour.p99_ratio(path) - 1.0) * 100.0;
        let (door, hub) = (beside(Path::Door), beside(Path::Hub));
        let at_door = "% more p99 beside a stalled upgrade, door";
        let at_hub = "% more p99 beside a stalled upgrade, hub";
        vec![
            Line("watches: set-up s, door", AtMost(0.3), set_up, 2),
            Line("watches: delivery p50 ms, door", AtMost(18.0), delivery, 1),
            Line(at_door, AtMost(5.0), door, 1),
            Line(at_hub, AtMost(5.0), hub, 1),
        ]
    }

    fn agents(&self) -> Vec<Line> {
        let last = self.recovery.last(Path::Door);
        let untyped = number(self.recovery.untyped(Path::Door) as u64);
        let served = self.recovery.served(Path::Door);
        let in_flight = "agent killed: s until the last request in flight is answered";
        let answers = "agent killed: failures other than 502, 503, cut off";
        let again = "agent started again: s until served";
        let (connection, cluster) = (self.idle.connection(), self.idle.cluster());
        let of_cluster = "idle tunnel: KiB a cluster in all";
        vec![
            Line(in_flight, AtMost(1.0), last, 3),
            Line(answers, AtMost(0.0), untyped, 0),
            Line(again, AtMost(2.0), served, 2),
            Line("idle tunnel: KiB a connection", AtMost(16.0), connection, 1),
            Line(of_cluster, AtMost(64.0), cluster, 1),
        ]
    }
}
