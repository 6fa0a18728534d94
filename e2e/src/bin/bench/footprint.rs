//! What a gateway holds: freshly started, in use, and after ten thousand requests.

use crate::{
    load::{Extent, closed_loop},
    site::{Path, Site, Upstream},
    statistics::{Series, number},
    table::{Table, figure},
    usage::{memory, open_files},
    warm::CONNECTIONS,
};

const REQUESTS: usize = 10_000;
const STREAMS: usize = 64;

/// Figures at one moment of the gateway's life.
#[derive(Debug)]
pub(crate) struct Moment {
    name: &'static str,
    /// MiB.
    pub(crate) resident: Series,
    anonymous: Series,
    pub(crate) open_files: Series,
}

/// All figures of what the gateway holds.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) idle: Moment,
    used: Moment,
    pub(crate) after: Moment,
}

impl Footprint {
    pub(crate) fn new() -> Self {
        Self {
            idle: Moment::new("idle, just started"),
            used: Moment::new("after 64 requests, connections open"),
            after: Moment::new("after 10,000 requests, connections open"),
        }
    }

    /// One life of a gateway, as the spoke's proxy at its own door.
    pub(crate) async fn round(&mut self, site: &Site) -> anyhow::Result<()> {
        site.gateway.restart().await?;
        self.idle.look(site)?;
        let client = site.client(Upstream::Spoke, Path::Door)?;
        let connections = client.connections(CONNECTIONS).await?;
        let request = client.get(Upstream::Spoke.small())?;
        let few = Extent::Requests(STREAMS);
        closed_loop(&connections, &request, STREAMS, few).await?;
        self.used.look(site)?;
        let many = Extent::Requests(REQUESTS);
        closed_loop(&connections, &request, STREAMS, many).await?;
        self.after.look(site)
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&["gateway", "resident MiB", "anonymous MiB", "open files"]);
        for moment in [&self.idle, &self.used, &self.after] {
            table.row([
                moment.name.to_owned(),
                figure(moment.resident.median(), 1),
                figure(moment.anonymous.median(), 1),
                figure(moment.open_files.median(), 0),
            ]);
        }
        table
    }
}

impl Moment {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            resident: Series::default(),
            anonymous: Series::default(),
            open_files: Series::default(),
        }
    }

    fn look(&mut self, site: &Site) -> anyhow::Result<()> {
        let gateway = site.gateway.process();
        let held = memory(gateway)?;
        self.resident.push(held.resident / 1024.0);
        self.anonymous.push(held.anonymous / 1024.0);
        self.open_files.push(number(open_files(gateway)? as u64));
        Ok(())
    }
}
