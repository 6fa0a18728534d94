//! The calls of agents to the API servers, as the audit logs show them: while nothing happens,
//! while tokens are issued, and until each account has been renewed. The shortest validity that an
//! API server grants is ten minutes, so agents renew after seven to eight.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::site::{Site, Tenant};
use crate::{
    audit::{Counts, Log, calls, count, watches},
    statistics::number,
    table::{Table, figure},
};

const VALIDITY: &str = "10m";
/// How long to wait after the last token, which still counts as issuing.
const SETTLED: Duration = Duration::from_secs(30);
/// No token with a validity of ten minutes is renewed before this time.
const STEADY: Duration = Duration::from_mins(5);
/// At this time all tokens have been renewed once, and none twice.
const RENEWED: Duration = Duration::from_mins(10);

/// One agent's calls.
#[derive(Debug, Default)]
struct Figures {
    issue: Counts,
    steady: Counts,
    renewal: Counts,
    revocation: Counts,
}

/// All counts.
#[derive(Debug)]
pub(crate) struct Calls {
    accounts: u16,
    tenants: BTreeMap<&'static str, Figures>,
}

impl Calls {
    pub(crate) fn new(accounts: u16) -> Self {
        Self {
            accounts,
            tenants: BTreeMap::new(),
        }
    }

    /// Lets both agents look after accounts at the same time, from the accounts' creation to their
    /// deletion.
    pub(crate) async fn count(&mut self, site: &Site) -> anyhow::Result<()> {
        let [ours, theirs] = site.tenants();
        let mut logs = [site.hub(), site.spoke()].map(|cluster| Log::open(&cluster.audit_log()));
        let begin = Instant::now();
        for tenant in [ours, theirs] {
            site.create(tenant, "calls", self.accounts, VALIDITY)
                .await?;
        }
        for tenant in [ours, theirs] {
            site.are_issued(tenant, self.accounts).await?;
        }
        let settled = Instant::now() + SETTLED;
        sleep_until(settled).await;
        self.take(&mut logs, site, |figures| &mut figures.issue)?;
        sleep_until(settled + STEADY).await;
        self.take(&mut logs, site, |figures| &mut figures.steady)?;
        sleep_until(begin + RENEWED).await;
        self.take(&mut logs, site, |figures| &mut figures.renewal)?;
        for tenant in [ours, theirs] {
            site.delete_all(tenant).await?;
        }
        self.take(&mut logs, site, |figures| &mut figures.revocation)
    }

    /// What has been added to the logs since the last look.
    fn take(
        &mut self,
        logs: &mut [Log; 2],
        site: &Site,
        phase: impl Fn(&mut Figures) -> &mut Counts,
    ) -> anyhow::Result<()> {
        for (server, log) in logs.iter_mut().enumerate() {
            let lines = log.lines()?;
            for tenant in site.tenants() {
                let counts = phase(self.tenants.entry(tenant.cluster).or_default());
                count(&lines, &tenant.users[server], counts)?;
                // Requests for the tunnel do not belong to the accounts.
                counts.retain(|kind, _| !kind.contains(" clustergateways"));
            }
        }
        Ok(())
    }

    /// The calls of each phase, and what they amount to in an hour.
    pub(crate) fn tables(&self, tenants: &[Tenant; 2]) -> Vec<Table> {
        if self.tenants.is_empty() {
            return Vec::new();
        }
        let accounts = number(self.accounts.into());
        let title = format!("calls per account ({} of {VALIDITY})", self.accounts);
        let mut phases = Table::new(&[&title, "issue", "5 quiet minutes", "renewal", "revocation"]);
        let mut hours = Table::new(&[
            "in an hour",
            "calls per account, renewed as 10m",
            "renewed as 24h",
            "watches begun anew, per agent",
        ]);
        for tenant in tenants {
            let Some(figures) = self.tenants.get(tenant.cluster) else {
                continue;
            };
            let of = |counts: &Counts| calls(counts) / accounts;
            let renewals = figures.renewal.get("create serviceaccounts/token");
            let renewal = calls(&figures.renewal) / number(renewals.copied().unwrap_or(0));
            let phase = [
                of(&figures.issue),
                of(&figures.steady),
                renewal,
                of(&figures.revocation),
            ];
            let named = |figures: &[f64], decimals| {
                let cells = figures.iter().map(|it| figure(*it, decimals));
                let cells: Vec<_> = cells.collect();
                [tenant.stack.to_string()].into_iter().chain(cells)
            };
            phases.row(named(&phase, 2));
            // Our agent renews a token at 75 % of its life, upstream's at 80 %.
            let share = if tenant.stack.is_ours() { 0.75 } else { 0.8 };
            let quiet = of(&figures.steady) * 3600.0 / STEADY.as_secs_f64();
            let with = |hours: f64| quiet + renewal / (hours * share);
            let begun = watches(&figures.steady) + watches(&figures.renewal);
            let begun = begun * 3600.0 / (RENEWED.as_secs_f64() - SETTLED.as_secs_f64());
            hours.row(named(&[with(1.0 / 6.0), with(24.0), begun], 2));
        }
        let mut tables = vec![phases, hours];
        tables.extend(tenants.iter().filter_map(|tenant| self.kinds(tenant)));
        tables
    }

    /// Every kind of call of one agent.
    fn kinds(&self, tenant: &Tenant) -> Option<Table> {
        let figures = self.tenants.get(tenant.cluster)?;
        let phases = [
            &figures.issue,
            &figures.steady,
            &figures.renewal,
            &figures.revocation,
        ];
        let title = format!("calls of {} ({} accounts)", tenant.stack, self.accounts);
        let mut table = Table::new(&[&title, "issue", "quiet", "renewal", "revocation"]);
        let mut kinds: Vec<_> = phases.iter().flat_map(|counts| counts.keys()).collect();
        kinds.sort();
        kinds.dedup();
        for kind in kinds {
            let counted = phases.map(|counts| counts.get(kind).copied().unwrap_or(0));
            table.row(
                [kind.clone()]
                    .into_iter()
                    .chain(counted.map(|it| it.to_string())),
            );
        }
        Some(table)
    }

    /// All calls of one agent while nothing happened.
    pub(crate) fn quiet(&self, tenant: &Tenant) -> f64 {
        let figures = self.tenants.get(tenant.cluster);
        figures.map_or(f64::NAN, |figures| calls(&figures.steady))
    }
}
