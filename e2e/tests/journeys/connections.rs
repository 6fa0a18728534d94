//! What the gateway keeps open for its callers: many watches on few connections, and nothing for
//! callers that have left.

use std::{collections::HashSet, fs, path::PathBuf};

use e2e::{Cluster, Gateway, Metrics, eventually};
use futures::future::join_all;
use http::StatusCode;
use kube::api::PostParams;
use tokio::time::Instant;

use crate::{
    SOON,
    door::{Door, Watch},
    managed::{Managed, config_map},
    proxy,
};

const WATCHES: usize = 300;
/// Less than the gateway allows on one of its callers' connections.
const WATCHES_PER_DOOR: usize = 100;
/// The spoke allows a hundred streams on a connection. Other tests use the same gateway.
const A_HANDFUL: usize = 16;
const AT_ONCE: usize = 200;
const IN_A_ROW: usize = 2_000;

async fn watches(doors: &[Door], path: &str, each: usize) -> Vec<Watch> {
    let watches = doors
        .iter()
        .flat_map(|door| (0..each).map(move |_| door.watch(path)));
    join_all(watches).await
}

#[tokio::test]
async fn hundreds_of_watches_all_see_an_event() {
    let managed = Managed::with_namespace("watches").await;
    let doors = (0..WATCHES / WATCHES_PER_DOOR).map(|_| Door::open(&managed.gateway));
    let doors = join_all(doors).await;
    let path = proxy(
        "managed1",
        "/api/v1/namespaces/watches/configmaps?watch=true",
    );
    let begin = Instant::now();
    let mut watches = watches(&doors, &path, WATCHES_PER_DOOR).await;
    let opened = begin.elapsed();

    let maps = managed.config_maps();
    maps.create(&PostParams::default(), &config_map("news", "x"))
        .await
        .unwrap();
    let begin = Instant::now();
    join_all(watches.iter_mut().map(|watch| watch.sees("news"))).await;
    println!(
        "{WATCHES} watches open in {opened:?}, told in {:?}",
        begin.elapsed()
    );
    let connections = Process::of(&managed.gateway).connections_to(managed.spoke());
    assert!(
        connections <= A_HANDFUL,
        "{connections} connections for {WATCHES} watches"
    );
}

#[tokio::test]
async fn thousands_of_requests_share_a_handful_of_connections() {
    let managed = Managed::with_namespace("requests").await;
    let maps = managed.config_maps();
    maps.create(&PostParams::default(), &config_map("one", "x"))
        .await
        .unwrap();
    let doors = join_all((0..2).map(|_| Door::open(&managed.gateway))).await;
    let path = proxy("managed1", "/api/v1/namespaces/requests/configmaps/one");
    let get = async |turn: usize| {
        let (code, body) = doors[turn % doors.len()].get(&path).await;
        assert_eq!(code, StatusCode::OK, "{body}");
    };
    get(0).await;

    let process = Process::of(&managed.gateway);
    let (before, begin) = (process.resident_kib(), Instant::now());
    for turn in 0..IN_A_ROW {
        get(turn).await;
    }
    let in_a_row = begin.elapsed() / u32::try_from(IN_A_ROW).unwrap();
    join_all((0..AT_ONCE).map(get)).await;
    let connections = process.connections_to(managed.spoke());
    println!(
        "{in_a_row:?} a request in a row; {connections} connections after {IN_A_ROW} in a row and \
         {AT_ONCE} at once; resident {before} KiB before, {} KiB after",
        process.resident_kib()
    );
    assert!(connections <= A_HANDFUL, "{connections} connections");
}

#[tokio::test]
async fn whoever_leaves_leaves_no_watch_behind() {
    // Watches of a kind that no other test watches, so that the spoke counts only ours.
    const EACH: u64 = 10;
    let managed = Managed::with_namespace("leaving").await;
    let path = proxy(
        "managed1",
        "/api/v1/namespaces/leaving/podtemplates?watch=true",
    );
    let before = watches_of_podtemplates(managed.spoke()).await;
    let reach = async |more: u64, why: &str| {
        let begin = Instant::now();
        eventually(SOON, why, || async {
            let now = watches_of_podtemplates(managed.spoke()).await;
            if now == before + more {
                Ok(())
            } else {
                Err(format!("{now}, {before} before"))
            }
        })
        .await
        .unwrap();
        begin.elapsed()
    };

    let [stays, leaves] = [
        Door::open(&managed.gateway).await,
        Door::open(&managed.gateway).await,
    ];
    let each = usize::try_from(EACH).unwrap();
    let cancelled = watches(std::slice::from_ref(&stays), &path, each).await;
    let slammed = watches(std::slice::from_ref(&leaves), &path, each).await;
    let kubectl = ["get", "podtemplates", "--watch-only"];
    let kubectl = managed.kubectl(&kubectl).spawn().unwrap();
    reach(2 * EACH + 1, "the watches to be open").await;

    drop(cancelled);
    let by_stream = reach(EACH + 1, "cancelled streams to end at the spoke").await;
    leaves.slam();
    let by_connection = reach(1, "streams of a lost connection to end at the spoke").await;
    drop(slammed);
    kubectl.kill().await;
    let by_kubectl = reach(0, "the watch of a killed kubectl to end at the spoke").await;
    println!("gone after {by_stream:?}, {by_connection:?} and {by_kubectl:?}");
}

async fn watches_of_podtemplates(spoke: &Cluster) -> u64 {
    let metrics = Metrics::scrape(&spoke.client()).await.unwrap();
    let labels = ["resource=\"podtemplates\"", "verb=\"WATCH\""];
    metrics.sum("apiserver_longrunning_requests", &labels)
}

/// The gateway's process, as the kernel knows it.
struct Process(PathBuf);

impl Process {
    fn of(gateway: &Gateway) -> Self {
        let pid = gateway.process().pid().unwrap();
        Self(PathBuf::from(format!("/proc/{pid}")))
    }

    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(self.0.join("status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The number of its established connections to the API server of `spoke`.
    fn connections_to(&self, spoke: &Cluster) -> usize {
        let port: u16 = spoke.url().rsplit(':').next().unwrap().parse().unwrap();
        let own = self.sockets();
        let tcp = fs::read_to_string(self.0.join("net/tcp")).unwrap();
        let rows = tcp
            .lines()
            .skip(1)
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        // Columns 2 to 4 are local address, remote address and state, 01 for established; the
        // tenth is the inode.
        let remote = format!(":{port:04X}");
        rows.filter(|row| row[2].ends_with(&remote) && row[3] == "01" && own.contains(row[9]))
            .count()
    }

    /// The inodes of its open sockets.
    fn sockets(&self) -> HashSet<String> {
        let descriptors = fs::read_dir(self.0.join("fd")).unwrap();
        let links = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        let inode = |link: PathBuf| {
            let link = link.to_str()?;
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        };
        links.filter_map(inode).collect()
    }
}
