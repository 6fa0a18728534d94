//! What an agent holds: its memory with an idle tunnel and its accounts, and the size of its
//! program.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Context as _;
use e2e::Process;
use tokio::time::sleep;

use super::site::{Site, Tenant};
use crate::{
    statistics::{Series, number},
    table::{Table, figure},
    usage::memory,
};

/// How long to wait after the last token. By then Events, statuses and upstream's second looks are
/// done.
const SETTLED: Duration = Duration::from_secs(15);
const MIB: f64 = 1_048_576.0;

/// The memory of one agent in MiB, round by round.
#[derive(Debug, Default)]
struct Memory {
    resident: Series,
    anonymous: Series,
    /// The rest of the resident memory, which belongs to the files of the program and its
    /// libraries.
    of_files: Series,
}

/// All figures of what is held.
#[derive(Debug)]
pub(crate) struct Held {
    accounts: u16,
    tenants: BTreeMap<&'static str, Memory>,
}

impl Held {
    pub(crate) fn new(accounts: u16) -> Self {
        Self {
            accounts,
            tenants: BTreeMap::new(),
        }
    }

    /// One run of an agent, from its start.
    pub(crate) async fn round(&mut self, site: &Site, tenant: &Tenant) -> anyhow::Result<()> {
        let process = site.process(tenant.stack);
        process.restart()?;
        site.is_attached(tenant.stack).await?;
        site.create(tenant, "held", self.accounts, "24h").await?;
        site.are_issued(tenant, self.accounts).await?;
        sleep(SETTLED).await;
        let held = memory(process)?;
        let figures = self.tenants.entry(tenant.cluster).or_default();
        figures.resident.push(held.resident / 1024.0);
        figures.anonymous.push(held.anonymous / 1024.0);
        figures
            .of_files
            .push((held.resident - held.anonymous) / 1024.0);
        site.delete_all(tenant).await
    }

    pub(crate) fn table(&self, site: &Site) -> anyhow::Result<Table> {
        let title = format!("{} accounts held", self.accounts);
        let mut table = Table::new(&[
            &title,
            "tunnel",
            "resident MiB",
            "of it anonymous",
            "of it files",
            "program MiB, loaded",
            "program MiB, file",
        ]);
        for tenant in site.tenants() {
            let (loaded, file) = program(site.process(tenant.stack))?;
            let Some(memory) = self.tenants.get(tenant.cluster) else {
                continue;
            };
            table.row([
                tenant.stack.to_string(),
                if tenant.stack.is_ours() {
                    "idle"
                } else {
                    "none"
                }
                .to_owned(),
                figure(memory.resident.median(), 1),
                figure(memory.anonymous.median(), 1),
                figure(memory.of_files.median(), 1),
                figure(loaded / MIB, 1),
                figure(file / MIB, 1),
            ]);
        }
        Ok(table)
    }

    /// Resident memory in MiB.
    pub(crate) fn resident(&self, tenant: &Tenant) -> f64 {
        let memory = self.tenants.get(tenant.cluster);
        memory.map_or(f64::NAN, |memory| memory.resident.median())
    }
}

/// The size of a process's program in bytes: of its loaded segments, which is its size without
/// debug information, and of the whole file.
fn program(process: &Process) -> anyhow::Result<(f64, f64)> {
    let pid = process.pid().context("it has ended")?;
    let bytes = fs::read(format!("/proc/{pid}/exe")).context("cannot read the program")?;
    let loaded = loaded(&bytes).context("the program is no 64-bit ELF file")?;
    Ok((number(loaded), number(bytes.len() as u64)))
}

/// The file sizes of all `PT_LOAD` segments of a little-endian 64-bit ELF file (elf(5)).
fn loaded(elf: &[u8]) -> Option<u64> {
    const PT_LOAD: u32 = 1;
    let header = elf.starts_with(b"\x7fELF\x02\x01").then_some(elf)?;
    let half = |at: usize| Some(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
    let table = usize::try_from(long(32)?).ok()?;
    let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
    let mut sum = 0;
    for number in 0..count {
        let entry = table + number * size;
        let kind = u32::from_le_bytes(header.get(entry..entry + 4)?.try_into().ok()?);
        if kind == PT_LOAD {
            sum += long(entry + 32)?;
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_is_most_of_a_program_and_less_than_its_file() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let loaded = loaded(&own).unwrap();
        assert!(loaded > 1 << 18 && loaded < own.len() as u64, "{loaded}");
        assert_eq!(super::loaded(b"#!/bin/sh"), None);
    }
}
