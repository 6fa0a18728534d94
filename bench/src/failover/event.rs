//! The events that happen to the gateways.

use std::{fmt, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use tokio::time::sleep;

use super::site::Site;

/// How long a gateway that was killed stays away.
const AWAY: Duration = Duration::from_secs(5);
/// How long a gateway is paused. This is longer than a replica or a caller waits for it.
const PAUSED: Duration = Duration::from_secs(12);
/// How long a Service still routes to a pod that is told to end.
const ENDPOINTS_LAG: Duration = Duration::from_secs(1);
/// The time between the two changes of scale.
const SCALED: Duration = Duration::from_secs(10);
/// How long to count requests to find the busiest gateway.
const BUSY: Duration = Duration::from_secs(1);

/// The largest number of gateways that the harness can link.
pub(super) const MOST: usize = 3;

/// One event.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Event {
    /// Nothing, for comparison
    Quiet,
    /// SIGKILL, then a new start
    Killed,
    /// SIGSTOP, then SIGCONT, as on a node that goes silent
    Paused,
    /// SIGTERM, then a new start
    Drained,
    /// SIGTERM and a new start for each gateway in turn
    Rolled,
    /// One gateway is added and removed again; of three, one is removed and added again
    Scaled,
}

impl Event {
    /// Makes the event happen to one gateway or to all, and returns when all are there again.
    pub(super) async fn happen(self, victim: usize, site: &mut Site) -> anyhow::Result<()> {
        match self {
            Self::Quiet => {}
            Self::Killed => {
                let gateway = &site.replicas.each()[victim];
                gateway.kill();
                sleep(AWAY).await;
                gateway.restart().await?;
            }
            Self::Paused => {
                let process = site.replicas.each()[victim].process();
                process.pause();
                sleep(PAUSED).await;
                process.resume();
            }
            Self::Drained => restart(victim, site).await?,
            Self::Rolled => {
                for index in 0..site.replicas.each().len() {
                    restart(index, site).await?;
                }
            }
            Self::Scaled if site.replicas.each().len() < MOST => {
                more(site).await?;
                sleep(SCALED).await;
                fewer(site).await?;
            }
            Self::Scaled => {
                fewer(site).await?;
                sleep(SCALED).await;
                more(site).await?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quiet => "quiet",
            Self::Killed => "killed",
            Self::Paused => "paused",
            Self::Drained => "drained",
            Self::Rolled => "rolled",
            Self::Scaled => "scaled",
        })
    }
}

/// The gateway that proxies most requests now, because the hub's API server is connected to it.
pub(super) async fn busiest(site: &Site) -> anyhow::Result<usize> {
    let before = site.spread.proxied().await;
    sleep(BUSY).await;
    let after = site.spread.proxied().await;
    let work = before.iter().zip(after);
    let work = work.map(|(before, after)| after.saturating_sub(*before));
    let (index, _) = work
        .enumerate()
        .max_by_key(|(_, requests)| *requests)
        .context("no gateways")?;
    Ok(index)
}

async fn restart(index: usize, site: &Site) -> anyhow::Result<()> {
    drain(index, site).await;
    site.replicas.each()[index].restart().await?;
    site.replicas.lead_to_all();
    site.tell_of_gateways()
}

/// Ends a gateway as a pod ends: it is told to end, and a moment later nothing new is routed to it.
async fn drain(index: usize, site: &Site) {
    let gateways = site.replicas.each();
    let mut others: Vec<_> = (0..gateways.len()).collect();
    others.remove(index);
    // Its tunnels take no new pipes any more, though open pipes may stay for a while.
    site.spread
        .of(others.iter().map(|it| gateways[*it].admin_url()).collect());
    let lead_away = async {
        sleep(ENDPOINTS_LAG).await;
        site.replicas.lead_to(&others);
    };
    let stop = gateways[index].stop();
    tokio::join!(stop, lead_away);
}

async fn more(site: &mut Site) -> anyhow::Result<()> {
    site.replicas.add().await?;
    site.tell_of_gateways()
}

async fn fewer(site: &mut Site) -> anyhow::Result<()> {
    drain(site.replicas.each().len() - 1, site).await;
    site.replicas.remove_last().await;
    site.tell_of_gateways()
}
