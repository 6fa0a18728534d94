//! One large download from the plain upstream, and what its bytes cost.

use http_body_util::BodyExt as _;
use tokio::time::Instant;

use crate::{
    client::{Connection, Get},
    plain,
    site::{Path, Site, Upstream},
    statistics::{Series, number},
    table::{Table, figure},
};

const MEBIBYTE: u64 = 1 << 20;

/// Figures of the download on one path.
#[derive(Debug)]
pub(crate) struct Download {
    path: Path,
    connection: Connection,
    request: Get,
    bytes: u64,
    /// MiB/s.
    rate: Series,
    /// CPU seconds per GiB.
    gateway: Series,
    hub: Series,
    upstream: Series,
}

/// All figures of the download.
#[derive(Debug)]
pub(crate) struct Bulk(Vec<Download>);

impl Bulk {
    pub(crate) async fn open(site: &Site, mebibytes: u32) -> anyhow::Result<Self> {
        let mut downloads = Vec::new();
        for path in Path::ALL {
            let client = site.client(Upstream::Plain, path)?;
            let bytes = u64::from(mebibytes) * MEBIBYTE;
            downloads.push(Download {
                path,
                connection: client.connect().await?,
                request: client.get(&format!("{}{bytes}", plain::BULK))?,
                bytes,
                rate: Series::default(),
                gateway: Series::default(),
                hub: Series::default(),
                upstream: Series::default(),
            });
        }
        Ok(Self(downloads))
    }

    /// One round: a download on each path.
    pub(crate) async fn round(&mut self, site: &Site) -> anyhow::Result<()> {
        for download in &mut self.0 {
            download.round(site).await?;
        }
        Ok(())
    }

    /// MiB/s on one path.
    pub(crate) fn rate(&self, path: Path) -> f64 {
        let found = self.0.iter().find(|download| download.path == path);
        found.map_or(f64::NAN, |download| download.rate.median())
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "download",
            "MiB/s",
            "÷ direct",
            "gateway CPU s/GiB",
            "hub CPU s/GiB",
            "upstream CPU s/GiB",
        ]);
        for download in &self.0 {
            let direct = self.0.iter().find(|it| it.path == Path::Direct);
            let ratio = direct.map_or(f64::NAN, |direct| download.rate.ratio_to(&direct.rate));
            table.row([
                download.path.to_string(),
                figure(download.rate.median(), 0),
                figure(ratio, 2),
                figure(download.gateway.median(), 2),
                figure(download.hub.median(), 2),
                figure(download.upstream.median(), 2),
            ]);
        }
        table
    }
}

impl Download {
    async fn round(&mut self, site: &Site) -> anyhow::Result<()> {
        let before = site.cpu(Upstream::Plain)?;
        let started = Instant::now();
        let response = self.connection.sender().send(&self.request).await?;
        let (mut body, mut received) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            received += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        let elapsed = started.elapsed().as_secs_f64();
        let cpu = site.cpu(Upstream::Plain)? - before;
        let (path, wanted) = (self.path, self.bytes);
        anyhow::ensure!(
            received == wanted,
            "{path}: {received} of {wanted} bytes arrived"
        );
        let mebibytes = number(received / MEBIBYTE);
        let per_gibibyte = 1024.0 / mebibytes;
        self.rate.push(mebibytes / elapsed);
        self.gateway.push(cpu.gateway * per_gibibyte);
        self.hub.push(cpu.hub * per_gibibyte);
        self.upstream.push(cpu.upstream * per_gibibyte);
        Ok(())
    }
}
