//! The machine and the versions that were measured.

use std::{fs, process::Command};

use anyhow::Context as _;
use e2e::World;
use tokio::time::Instant;

use crate::report::print;

const LOCK: &str = include_str!("../../Cargo.lock");
const KONNECTIVITY: &str = include_str!("../../e2e/control-plane/konnectivity/go.mod");
const MSA: &str = include_str!("../../e2e/control-plane/managed-serviceaccount/go.mod");
const CLUSTER_GATEWAY: &str = include_str!("../../e2e/control-plane/cluster-gateway/go.mod");
/// The libraries that the bytes go through.
const LIBRARIES: [&str; 6] = [
    "aws-lc-rs",
    "h2",
    "hyper",
    "rustls",
    "tokio",
    "tokio-rustls",
];

/// The machine, the versions and the length of the measurement, as the beginning of a report.
pub(crate) async fn head(
    world: &World,
    started: Instant,
    load_before: &str,
    others: &str,
) -> anyhow::Result<()> {
    print(&format!("- Machine: {}.", machine()?))?;
    let versions = versions(world).await?;
    print(&format!("- Versions: {versions}{others}."))?;
    print(&format!(
        "- Load average of the last minute before the run: {load_before}; the run took {:.0} s.",
        started.elapsed().as_secs_f64()
    ))
}

/// The machine, in a line.
fn machine() -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let total = field(&memory, "MemTotal").context("no MemTotal in /proc/meminfo")?;
    let total: u64 = total.trim_end_matches("kB").trim().parse()?;
    Ok(format!(
        "{} ({cores} cores), {} GiB, Linux {} {}",
        field(&cpu, "model name").unwrap_or("unnamed CPU"),
        total >> 20,
        kernel.trim(),
        std::env::consts::ARCH,
    ))
}

/// The programs and libraries, in a line.
async fn versions(world: &World) -> anyhow::Result<String> {
    let kubernetes = world.cluster("hub").client().apiserver_version().await?;
    let etcd = first_line(Command::new(world.programs().path("etcd")).arg("--version"))?;
    let rustc = first_line(Command::new("rustc").arg("--version"))?;
    let libraries = LIBRARIES.map(|name| format!("{name} {}", locked(LOCK, name).unwrap_or("?")));
    Ok(format!(
        "Spokeway {} ({}), kube-apiserver {}, {etcd}, {rustc}, {}",
        env!("CARGO_PKG_VERSION"),
        if cfg!(debug_assertions) {
            "debug build"
        } else {
            "release build"
        },
        kubernetes.git_version,
        libraries.join(", "),
    ))
}

/// The programs of the Go stack, as a continuation of the line.
pub(crate) fn go_stack() -> String {
    let konnectivity = required(KONNECTIVITY, "sigs.k8s.io/apiserver-network-proxy");
    let gateway = required(CLUSTER_GATEWAY, "github.com/oam-dev/cluster-gateway");
    format!(
        ", konnectivity {}, cluster-gateway {}",
        konnectivity.unwrap_or("?"),
        gateway.unwrap_or("?")
    )
}

/// Upstream's managed-serviceaccount, as a continuation of the line.
pub(crate) fn upstream_msa() -> String {
    let version = required(MSA, "open-cluster-management.io/managed-serviceaccount");
    format!(", managed-serviceaccount {}", version.unwrap_or("?"))
}

/// The load average of the last minute, which includes what is measured.
pub(crate) fn load_average() -> anyhow::Result<String> {
    let averages = fs::read_to_string("/proc/loadavg")?;
    let last_minute = averages.split(' ').next();
    Ok(last_minute.context("/proc/loadavg is empty")?.to_owned())
}

fn first_line(command: &mut Command) -> anyhow::Result<String> {
    let said = command.output().context("cannot ask for a version")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    Ok(said.lines().next().unwrap_or("?").to_owned())
}

/// The value of `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    Some(value.trim())
}

/// The version that a lock file pins.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

/// The version that a `go.mod` requires.
fn required<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    let mut lines = go_mod.lines().map(str::trim);
    lines.find_map(|line| {
        let rest = line.strip_prefix(module)?.strip_prefix(' ')?;
        rest.split(' ').next().filter(|it| it.starts_with('v'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_locked() {
        for name in LIBRARIES {
            assert!(locked(LOCK, name).is_some(), "{name}");
        }
        assert_eq!(
            locked("name = \"h2\"\nversion = \"0.4.1\"\n", "h2"),
            Some("0.4.1")
        );
    }

    #[test]
    fn the_go_stack_is_pinned() {
        assert!(!go_stack().contains('?'), "{}", go_stack());
        assert!(!upstream_msa().contains('?'), "{}", upstream_msa());
        let go_mod = "tool (\n\ta.b/c/cmd\n)\nrequire a.b/c/d v2.0.0\n\ta.b/c v1.2.3 // indirect\n";
        assert_eq!(required(go_mod, "a.b/c"), Some("v1.2.3"));
        assert_eq!(required(go_mod, "a.b"), None);
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(
            field("model\t: 1\nmodel name\t: X Y\n", "model name"),
            Some("X Y")
        );
        assert_eq!(field("MemTotal:   5 kB\n", "MemTotal"), Some("5 kB"));
        assert_eq!(field("a: b", "c"), None);
    }
}
