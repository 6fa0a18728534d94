//! What agents ask of the API servers, as the audit logs have it: while nothing happens, to issue, and
//! through a real renewal of each account. The shortest life that an API server grants is ten minutes,
//! so agents renew after seven to eight.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::site::{Site, Tenant};
use crate::{
    statistics::number,
    table::{Table, figure},
};

const VALIDITY: &str = "10m";
/// After the last token.
const SETTLED: Duration = Duration::from_secs(30);
/// Of tokens of ten minutes none is renewed before.
const STEADY: Duration = Duration::from_mins(5);
/// All have been renewed once, and none twice.
const RENEWED: Duration = Duration::from_mins(10);

/// A line of an audit log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    stage: String,
    verb: String,
    user: User,
    object_ref: Option<Object>,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    resource: String,
    #[serde(default)]
    subresource: String,
}

/// How often something was asked for, by what it was.
type Counts = BTreeMap<String, u64>;

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

    /// Lets both agents look after accounts, at the same time, from their creation to their end.
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

    /// What came into the logs since it was looked last.
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
            }
        }
        Ok(())
    }

    /// The calls of each phase, and what they make in an hour.
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
            // Renewed at 75 % of its life by ours, at 80 % by upstream's.
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

    /// Calls of one agent while nothing happened, in all.
    pub(crate) fn quiet(&self, tenant: &Tenant) -> f64 {
        let figures = self.tenants.get(tenant.cluster);
        figures.map_or(f64::NAN, |figures| calls(&figures.steady))
    }
}

/// All of them but watches: those end after some minutes and are begun anew, however many accounts
/// there are.
fn calls(counts: &Counts) -> f64 {
    number(counts.values().sum()) - watches(counts)
}

fn watches(counts: &Counts) -> f64 {
    let watches = counts.iter().filter(|(kind, _)| kind.starts_with("watch "));
    number(watches.map(|(_, count)| count).sum())
}

/// A log that is read as it grows.
struct Log {
    path: std::path::PathBuf,
    read: usize,
}

impl Log {
    /// From its present end on.
    fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: fs::metadata(path).map_or(0, |it| usize::try_from(it.len()).unwrap_or(0)),
        }
    }

    /// Its new lines; one that is not complete yet is left for the next time.
    fn lines(&mut self) -> anyhow::Result<String> {
        let bytes = fs::read(&self.path).context("there is no audit log")?;
        let new = bytes.get(self.read..).unwrap_or_default();
        let end = new
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.read += end;
        Ok(String::from_utf8_lossy(&new[..end]).into_owned())
    }
}

/// Adds the calls of one user. A watch counts once, when it begins; what the tunnel is asked for is
/// none of the accounts'.
fn count(lines: &str, user: &str, counts: &mut Counts) -> anyhow::Result<()> {
    for line in lines.lines() {
        let call: Call = serde_json::from_str(line).context("an audit log with another line")?;
        let counted = match call.verb.as_str() {
            "watch" => call.stage == "ResponseStarted",
            _ => call.stage == "ResponseComplete",
        };
        let Some(object) = call
            .object_ref
            .filter(|it| it.resource != "clustergateways")
        else {
            continue;
        };
        if counted && call.user.username.starts_with(user) {
            let slash = if object.subresource.is_empty() {
                ""
            } else {
                "/"
            };
            let kind = format!(
                "{} {}{slash}{}",
                call.verb, object.resource, object.subresource
            );
            *counts.entry(kind).or_default() += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_count_once_and_for_their_user() {
        let line = |stage: &str, verb: &str, user: &str, resource: &str| {
            format!(
                r#"{{"stage":"{stage}","verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{{"resource":"{resource}"}}}}"#
            )
        };
        let lines = [
            line("ResponseStarted", "watch", "me:1", "secrets"),
            line("ResponseComplete", "watch", "me:1", "secrets"),
            line("ResponseComplete", "create", "me:1", "secrets"),
            line("ResponseComplete", "create", "you", "secrets"),
            line("ResponseComplete", "get", "me:1", "clustergateways"),
            r#"{"stage":"ResponseComplete","verb":"get","user":{"username":"me:1"}}"#.to_owned(),
        ];
        let mut counts = Counts::new();
        count(&lines.join("\n"), "me:", &mut counts).unwrap();
        let wanted = [("create secrets", 1), ("watch secrets", 1)];
        assert_eq!(counts, wanted.map(|(kind, n)| (kind.to_owned(), n)).into());
    }

    #[test]
    fn a_line_that_is_being_written_is_left_for_later() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = Log::open(file.path());
        fs::write(file.path(), "one\ntw").unwrap();
        assert_eq!(log.lines().unwrap(), "one\n");
        fs::write(file.path(), "one\ntwo\n").unwrap();
        assert_eq!(log.lines().unwrap(), "two\n");
    }
}
