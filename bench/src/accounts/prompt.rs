//! How soon there is a token after an agent's start, and after the creation of an account.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::site::{Site, Tenant};
use crate::{
    statistics::Series,
    table::{Table, figure},
};

/// Accounts in a round, one after the other.
const ACCOUNTS: u16 = 5;

/// All figures, in seconds.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    /// From the start of the process to the first token in a Secret.
    started: BTreeMap<&'static str, Series>,
    /// From an account's creation to a token in its Secret that the spoke accepts.
    usable: BTreeMap<&'static str, Series>,
}

impl Prompt {
    /// One start, and a few accounts.
    pub(crate) async fn round(
        &mut self,
        site: &Site,
        tenant: &Tenant,
        round: u32,
    ) -> anyhow::Result<()> {
        let process = site.process(tenant.stack);
        process.kill();
        let first = format!("start-{round}");
        site.create(tenant, &first, 1, "1h").await?;
        let begin = Instant::now();
        process.restart()?;
        site.token(tenant, &format!("{first}-0")).await?;
        let started = self.started.entry(tenant.cluster).or_default();
        started.push(begin.elapsed().as_secs_f64());
        site.is_attached(tenant.stack).await?;
        for number in 0..ACCOUNTS {
            let name = format!("prompt-{round}-{number}");
            let begin = Instant::now();
            site.create(tenant, &name, 1, "1h").await?;
            let token = site.token(tenant, &format!("{name}-0")).await?;
            site.is_usable(token).await?;
            let usable = self.usable.entry(tenant.cluster).or_default();
            usable.push(begin.elapsed().as_secs_f64());
        }
        site.delete_all(tenant).await
    }

    pub(crate) fn table(&self, tenants: &[Tenant; 2]) -> Table {
        let mut table = Table::new(&["seconds", "start → first token", "account → usable token"]);
        let median = |all: &BTreeMap<_, Series>, tenant: &Tenant| {
            all.get(tenant.cluster).map_or(f64::NAN, Series::median)
        };
        for tenant in tenants {
            table.row([
                tenant.stack.to_string(),
                figure(median(&self.started, tenant), 3),
                figure(median(&self.usable, tenant), 3),
            ]);
        }
        let [ours, theirs] = tenants;
        let ratio = |all| median(all, theirs) / median(all, ours);
        table.row([
            "upstream ÷ ours".to_owned(),
            figure(ratio(&self.started), 1),
            figure(ratio(&self.usable), 1),
        ]);
        table
    }

    /// Seconds from an account's creation to a usable token.
    pub(crate) fn usable(&self, tenant: &Tenant) -> f64 {
        self.usable
            .get(tenant.cluster)
            .map_or(f64::NAN, Series::median)
    }
}
