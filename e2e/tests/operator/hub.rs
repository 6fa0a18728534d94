//! What tests of the operator ask of any hub, and how long they wait for it.

use std::{fmt::Display, fs, io::Write as _, time::Duration};

use e2e::{Cluster, eventually, operator};
use serde_json::Value;

/// Twice the time that the hub needs. Its garbage collector looks for new kinds only every 30 s. A
/// Secret is removed with the account that owns it, and the kind of that account is as old as the
/// test.
pub(crate) const SOON: Duration = Duration::from_mins(1);
/// OCM checks leases every 30 s.
pub(crate) const AVAILABLE_WITHIN: Duration = Duration::from_mins(2);

pub(crate) async fn kubectl(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
    let done = cluster.kubectl(args).ok().await;
    done.map_err(|error| error.to_string())
}

/// An object as kubectl gets it.
pub(crate) async fn read(cluster: &Cluster, what: &[&str]) -> Result<Value, String> {
    let get = [&["get"], what, &["-o", "json"]].concat();
    let text = kubectl(cluster, &get).await?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

pub(crate) async fn soon<T, E: Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    probe: impl FnMut() -> F,
) -> T {
    eventually(SOON, what, probe).await.unwrap()
}

/// Prints a figure for the reader of the log.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The writes of operators in the hub's audit log, except those of the leader's Lease.
pub(crate) fn writes_of_operators(hub: &Cluster) -> Vec<String> {
    let log = fs::read_to_string(hub.audit_log()).unwrap();
    let entries = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let own = entries.filter(|entry| {
        let resource = &entry["objectRef"]["resource"];
        let writes = !["get", "list", "watch"].contains(&entry["verb"].as_str().unwrap());
        writes && entry["user"]["username"] == operator::USER && *resource != "leases"
    });
    own.map(|entry| format!("{} {}", entry["verb"], entry["requestURI"]))
        .collect()
}
