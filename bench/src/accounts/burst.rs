//! Many accounts at once: how long it takes until all have tokens, and until all tokens are
//! revoked.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, ListParams};
use tokio::time::Instant;

use super::site::{Site, Tenant};
use crate::{
    statistics::Series,
    table::{Table, figure},
    usage::cpu_seconds,
};

/// One agent's figures, in seconds.
#[derive(Debug, Default)]
struct Figures {
    issued: Series,
    revoked: Series,
    /// The agent's CPU time for both.
    cpu: Series,
}

/// All figures of the burst.
#[derive(Debug)]
pub(crate) struct Bursts {
    accounts: u16,
    tenants: BTreeMap<&'static str, Figures>,
}

impl Bursts {
    pub(crate) fn new(accounts: u16) -> Self {
        Self {
            accounts,
            tenants: BTreeMap::new(),
        }
    }

    /// Creates all accounts and deletes them again.
    pub(crate) async fn round(&mut self, site: &Site, tenant: &Tenant) -> anyhow::Result<()> {
        let process = site.process(tenant.stack);
        let before = cpu_seconds(process)?;
        let begin = Instant::now();
        site.create(tenant, "burst", self.accounts, "1h").await?;
        site.are_issued(tenant, self.accounts).await?;
        let issued = begin.elapsed().as_secs_f64();
        let last = format!("burst-{}", self.accounts - 1);
        let token = site.token(tenant, &last).await?;
        site.is_usable(token).await?;
        let (parameters, all) = (DeleteParams::default(), ListParams::default());
        let begin = Instant::now();
        let accounts = site.accounts(tenant);
        accounts.delete_collection(&parameters, &all).await?;
        site.are_revoked(tenant).await?;
        let revoked = begin.elapsed().as_secs_f64();
        let figures = self.tenants.entry(tenant.cluster).or_default();
        figures.issued.push(issued);
        figures.revoked.push(revoked);
        figures.cpu.push(cpu_seconds(process)? - before);
        site.delete_all(tenant).await
    }

    pub(crate) fn table(&self, tenants: &[Tenant; 2]) -> Table {
        let title = format!("{} accounts at once", self.accounts);
        let mut table = Table::new(&[
            &title,
            "all have tokens s",
            "all revoked on the spoke s",
            "agent CPU s",
        ]);
        let [ours, theirs] = tenants;
        for tenant in tenants {
            let figures = self.columns(tenant);
            table.row(
                [tenant.stack.to_string()]
                    .into_iter()
                    .chain(figures.map(|it| figure(it, 2))),
            );
        }
        let (ours, theirs) = (self.columns(ours), self.columns(theirs));
        let ratios = theirs
            .into_iter()
            .zip(ours)
            .map(|(theirs, ours)| figure(theirs / ours, 1));
        table.row(["upstream ÷ ours".to_owned()].into_iter().chain(ratios));
        table
    }

    /// Seconds until all have tokens, and until all are revoked.
    pub(crate) fn seconds(&self, tenant: &Tenant) -> (f64, f64) {
        let [issued, revoked, _] = self.columns(tenant);
        (issued, revoked)
    }

    fn columns(&self, tenant: &Tenant) -> [f64; 3] {
        self.tenants
            .get(tenant.cluster)
            .map_or([f64::NAN; 3], |it| {
                [it.issued.median(), it.revoked.median(), it.cpu.median()]
            })
    }
}
