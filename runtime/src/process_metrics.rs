//! Metrics of the process itself, under the names that every Prometheus client library gives them, and
//! its version. They are read when somebody asks.

use std::{fmt, fs, sync::atomic::AtomicI64};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, family::Family, gauge::ConstGauge, gauge::Gauge},
    registry::{Registry, Unit},
};
use rustix::process::{Resource, getrlimit};

/// How many parts of a second Linux counts CPU time in, whatever its own clock is.
const TICKS: f64 = 100.0;

/// Registers `PREFIX_build_info` and `process_*`.
pub fn register(registry: &mut Registry, prefix: &'static str, version: &'static str) {
    let info = Family::<Vec<(&str, &str)>, Gauge<i64, AtomicI64>>::default();
    info.get_or_create(&vec![("version", version)]).set(1);
    let help = "1, with the version of the program";
    registry
        .sub_registry_with_prefix(prefix)
        .register("build_info", help, info);
    registry
        .sub_registry_with_prefix("process")
        .register_collector(Box::new(Process));
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut tell = |name, help, unit: Option<Unit>, metric: &dyn EncodeMetric| {
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), kind)?)
        };
        if let Some(usage) = Usage::read() {
            let Usage {
                cpu_seconds,
                started,
                resident,
                virtual_memory,
                threads,
            } = usage;
            let cpu = ConstCounter::new(cpu_seconds);
            tell("cpu", "User and system CPU time", Some(Unit::Seconds), &cpu)?;
            let started = ConstGauge::new(started);
            let help = "Unix time when the process started";
            tell("start_time", help, Some(Unit::Seconds), &started)?;
            let resident = ConstGauge::new(resident);
            tell(
                "resident_memory",
                "Resident memory",
                Some(Unit::Bytes),
                &resident,
            )?;
            let all = ConstGauge::new(virtual_memory);
            tell("virtual_memory", "Virtual memory", Some(Unit::Bytes), &all)?;
            tell("threads", "Threads", None, &ConstGauge::new(threads))?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
            tell("open_fds", "Open files", None, &ConstGauge::new(open))?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            tell(
                "max_fds",
                "Open files at most",
                None,
                &ConstGauge::new(most),
            )?;
        }
        Ok(())
    }
}

/// What the system says of the process.
#[derive(Debug, PartialEq)]
struct Usage {
    cpu_seconds: f64,
    /// Seconds since 1970.
    started: f64,
    /// Bytes.
    resident: i64,
    /// Bytes.
    virtual_memory: i64,
    threads: i64,
}

impl Usage {
    fn read() -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok();
        Self::parse(
            &read("/proc/self/stat")?,
            &read("/proc/self/status")?,
            &read("/proc/stat")?,
        )
    }

    /// From the files `stat` and `status` of the process, and the `stat` of the system.
    fn parse(stat: &str, status: &str, system: &str) -> Option<Self> {
        // The name of the program is in brackets, and may contain anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        // The first of these is the third in proc(5).
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let of_status = |name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name))?;
            value.split_whitespace().next()?.parse::<i64>().ok()
        };
        let booted = system.lines().find_map(|line| line.strip_prefix("btime "));
        let booted = booted?.trim().parse::<f64>().ok()?;
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS,
            started: booted + ticks(22)? / TICKS,
            resident: of_status("VmRSS:")? * 1024,
            virtual_memory: of_status("VmSize:")? * 1024,
            threads: of_status("Threads:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 3 0 12000 1 1";
        let status = "Name:\ta\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n";
        let system = "cpu 1 2\nbtime 1700000000\n";
        let usage = Usage {
            cpu_seconds: 4.0,
            started: 1_700_000_120.0,
            resident: 1 << 20,
            virtual_memory: 2 << 20,
            threads: 3,
        };
        assert_eq!(Usage::parse(stat, status, system), Some(usage));
        assert_eq!(Usage::parse("", status, system), None);
    }

    #[test]
    fn the_names_are_those_of_every_prometheus_client() {
        let mut registry = Registry::default();
        register(&mut registry, "gateway", "1.2.3");
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "gateway_build_info{version=\"1.2.3\"} 1",
            "process_cpu_seconds_total ",
            "process_start_time_seconds ",
            "process_resident_memory_bytes ",
            "process_virtual_memory_bytes ",
            "process_threads ",
            "process_open_fds ",
            "process_max_fds ",
        ] {
            assert!(
                text.lines().any(|it| it.starts_with(line)),
                "{line} in\n{text}"
            );
        }
    }
}
