//! One large download, and the CPU time that its bytes cost.

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use crate::{
    client::Get,
    statistics::{Series, number},
    table::{Table, figure},
    usage::{Costs, Cpu},
    way::{Path, Way},
};

const MEBIBYTE: u64 = 1 << 20;

/// The figures of the download on one way.
#[derive(Debug)]
struct Download<'a> {
    way: Way<'a>,
    request: Get,
    /// MiB/s.
    rate: Series,
    /// CPU seconds per GiB.
    cpu: Costs,
}

/// All figures of the download.
#[derive(Debug)]
pub(crate) struct Bulk<'a> {
    /// The smallest number of bytes that must arrive.
    bytes: u64,
    downloads: Vec<Download<'a>>,
}

impl<'a> Bulk<'a> {
    /// A request for `path` is answered with at least this many bytes.
    pub(crate) fn new(ways: &[Way<'a>], path: &str, bytes: u64) -> anyhow::Result<Self> {
        let mut downloads = Vec::new();
        for way in ways {
            downloads.push(Download {
                request: way.client.get(path)?,
                way: way.clone(),
                rate: Series::default(),
                cpu: Costs::default(),
            });
        }
        Ok(Self { bytes, downloads })
    }

    /// One round: a download on each way.
    pub(crate) async fn round(&mut self) -> anyhow::Result<()> {
        for download in &mut self.downloads {
            let path = download.way.path;
            download
                .round(self.bytes)
                .await
                .with_context(|| format!("download, {path}"))?;
        }
        Ok(())
    }

    /// MiB/s on one path.
    pub(crate) fn rate(&self, path: Path) -> f64 {
        let download = self.of(path);
        download.map_or(f64::NAN, |download| download.rate.median())
    }

    /// How many times faster one path is than another one.
    pub(crate) fn ratio(&self, path: Path, base: Path) -> f64 {
        let downloads = self.of(path).zip(self.of(base));
        downloads.map_or(f64::NAN, |(it, base)| it.rate.ratio_to(&base.rate))
    }

    fn of(&self, path: Path) -> Option<&Download<'a>> {
        self.downloads.iter().find(|it| it.way.path == path)
    }

    pub(crate) fn table(&self) -> Table {
        let roles = Costs::roles(self.downloads.iter().map(|it| &it.cpu));
        let mut head: Vec<_> = ["download", "MiB/s", "÷ direct"].map(str::to_owned).into();
        head.extend(roles.iter().map(|role| format!("{role} CPU s/GiB")));
        let mut table = Table::new(&head);
        let direct = self.of(Path::Direct);
        for download in &self.downloads {
            let ratio = direct.map_or(f64::NAN, |direct| download.rate.ratio_to(&direct.rate));
            let figures = [
                download.way.path.to_string(),
                figure(download.rate.median(), 0),
                figure(ratio, 2),
            ];
            let cpu = roles
                .iter()
                .map(|&role| figure(download.cpu.median(role), 2));
            table.row(figures.into_iter().chain(cpu));
        }
        table
    }
}

impl Download<'_> {
    async fn round(&mut self, wanted: u64) -> anyhow::Result<()> {
        let connection = self.way.client.connect().await?;
        let before = Cpu::of(&self.way)?;
        let started = Instant::now();
        let response = connection.sender().send(&self.request).await?;
        let (mut body, mut received) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            received += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        let elapsed = started.elapsed().as_secs_f64();
        let path = self.way.path;
        anyhow::ensure!(
            received >= wanted,
            "{path}: {received} of {wanted} bytes arrived"
        );
        let mebibytes = number(received) / number(MEBIBYTE);
        self.rate.push(mebibytes / elapsed);
        self.cpu.push(&self.way, &before, 1024.0 / mebibytes)
    }
}
