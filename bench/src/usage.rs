//! What a process has used according to `/proc`: CPU time, resident memory, open files.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Context as _;
use e2e::Process;

use crate::{
    statistics::{Series, number},
    way::{Role, Way},
};

/// `/proc` counts CPU time in hundredths of a second on every architecture (`USER_HZ`, proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// The CPU seconds, in user and kernel mode together, that each process of a way had used at one
/// moment.
#[derive(Debug)]
pub(crate) struct Cpu(Vec<(Role, f64)>);

/// The CPU time of each process of a way for a unit of work, round by round.
#[derive(Debug, Default)]
pub(crate) struct Costs(BTreeMap<Role, Series>);

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All resident memory, in KiB.
    pub(crate) resident: f64,
    /// The part of it that belongs to no file, in KiB: heap and stacks.
    pub(crate) anonymous: f64,
    /// The largest resident memory so far, in KiB.
    pub(crate) peak: f64,
}

impl Cpu {
    pub(crate) fn of(way: &Way<'_>) -> anyhow::Result<Self> {
        let seconds = |&(role, process): &(Role, &Process)| Ok((role, cpu_seconds(process)?));
        let used: anyhow::Result<_> = way.processes.iter().map(seconds).collect();
        used.map(Self)
    }
}

impl Costs {
    /// Adds a round: what `way` has used since `before`, multiplied by `factor`.
    pub(crate) fn push(&mut self, way: &Way<'_>, before: &Cpu, factor: f64) -> anyhow::Result<()> {
        let now = Cpu::of(way)?;
        for ((role, before), (_, now)) in before.0.iter().zip(now.0) {
            let series = self.0.entry(*role).or_default();
            series.push((now - before) * factor);
        }
        Ok(())
    }

    /// The median of one process; NaN if it is not on the way.
    pub(crate) fn median(&self, role: Role) -> f64 {
        self.0.get(&role).map_or(f64::NAN, Series::median)
    }

    /// The CPU time of all processes of the stack itself.
    pub(crate) fn own(&self) -> f64 {
        self.sum(&Role::OWN)
    }

    /// The CPU time of the processes of these roles that are on the way.
    pub(crate) fn sum(&self, roles: &[Role]) -> f64 {
        let there = roles.iter().filter_map(|role| self.0.get(role));
        there.map(Series::median).sum()
    }

    /// The roles that occur in any of several costs, in order.
    pub(crate) fn roles<'a>(all: impl Iterator<Item = &'a Self>) -> Vec<Role> {
        let mut roles: Vec<_> = all.flat_map(|costs| costs.0.keys().copied()).collect();
        roles.sort();
        roles.dedup();
        roles
    }
}

/// CPU seconds of a process since its start.
pub(crate) fn cpu_seconds(process: &Process) -> anyhow::Result<f64> {
    let stat = read(process, "stat")?;
    let ticks = cpu_ticks(&stat).context("/proc/PID/stat is not as proc(5) says")?;
    Ok(number(ticks) * TICK.as_secs_f64())
}

pub(crate) fn memory(process: &Process) -> anyhow::Result<Memory> {
    let status = read(process, "status")?;
    let value = |key| kibibytes(&status, key).with_context(|| format!("no {key} in /proc"));
    Ok(Memory {
        resident: number(value("VmRSS:")?),
        anonymous: number(value("RssAnon:")?),
        peak: number(value("VmHWM:")?),
    })
}

/// The anonymous memory of all processes of the stack itself, in KiB.
pub(crate) fn anonymous_of_own(way: &Way<'_>) -> anyhow::Result<f64> {
    way.own()
        .map(|(_, process)| Ok(memory(process)?.anonymous))
        .sum()
}

pub(crate) fn open_files(process: &Process) -> anyhow::Result<usize> {
    let files = fs::read_dir(format!("/proc/{}/fd", pid(process)?));
    Ok(files.context("cannot list open files")?.count())
}

fn read(process: &Process, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{}/{file}", pid(process)?);
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

fn pid(process: &Process) -> anyhow::Result<u32> {
    process
        .pid()
        .with_context(|| format!("{} has ended:\n{}", process.name(), process.tail(20)))
}

/// `utime` and `stime`, fields 14 and 15. The second field, the program's name, may contain
/// anything, so fields are counted from its closing parenthesis.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc_whatever_the_program_is_called() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 900 0 0 0 123 77 0 0 20 0 9 0 1000";
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("42 (short) S 1"), None);
    }

    #[test]
    fn reads_memory_in_kibibytes() {
        let status = "Name:\tx\nVmRSS:\t   12345 kB\nRssAnon:\t     678 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(12345));
        assert_eq!(kibibytes(status, "RssAnon:"), Some(678));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }
}
