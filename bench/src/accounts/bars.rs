//! The limits that agents must keep, and the report.

use super::{burst::Bursts, calls::Calls, held::Held, prompt::Prompt, site::Site};
use crate::{
    bars::{self, Bar::AtMost, Line},
    report::print,
};

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) rounds: u32,
    pub(crate) prompt: Prompt,
    pub(crate) held: Held,
    pub(crate) bursts: Bursts,
    pub(crate) calls: Calls,
}

impl Measured {
    /// Every table of the report.
    pub(crate) fn print(&self, site: &Site) -> anyhow::Result<()> {
        let tenants = site.tenants();
        let mut tables = Vec::new();
        if self.rounds > 0 {
            tables.push(self.prompt.table(tenants));
            tables.push(self.held.table(site)?);
            tables.push(self.bursts.table(tenants));
        }
        tables.extend(self.calls.tables(tenants));
        let [ours, _] = tenants;
        let (issued, revoked) = self.bursts.seconds(ours);
        let lines = [
            Line(
                "account → usable token s",
                AtMost(1.0),
                self.prompt.usable(ours),
                3,
            ),
            Line(
                "resident MiB, idle tunnel",
                AtMost(15.0),
                self.held.resident(ours),
                1,
            ),
            Line("all accounts issued s", AtMost(5.0), issued, 2),
            Line("all accounts revoked s", AtMost(5.0), revoked, 2),
            Line(
                "calls but watches in five quiet minutes",
                AtMost(0.0),
                self.calls.quiet(ours),
                0,
            ),
        ];
        tables.push(bars::table(lines));
        tables
            .iter()
            .try_for_each(|table| print(&table.to_string()))
    }
}
