//! Nothing outlives a runner, no matter how it ends.
//!
//! The runner is this test binary again. It runs one ignored test that starts a World, prints where
//! it is and what runs in it, and then ends in the way under test.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::{World, eventually};

const SOON: Duration = Duration::from_secs(10);
const MARK: &str = "world: ";

/// What a runner has printed about its World.
struct Traces {
    directory: PathBuf,
    pids: Vec<u32>,
}

impl Traces {
    fn of(world: &World) -> Self {
        let pids = world.processes().filter_map(e2e::Process::pid).collect();
        Self {
            directory: world.directory().to_owned(),
            pids,
        }
    }

    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let directory = words.next().unwrap().into();
        Self {
            directory,
            pids: words.map(|pid| pid.parse().unwrap()).collect(),
        }
    }

    async fn are_gone(&self) {
        assert_eq!(
            self.pids.len(),
            3,
            "etcd, an API server, a controller manager"
        );
        eventually(SOON, "processes and directory to be gone", || async {
            let left: Vec<_> = self.pids.iter().filter(|pid| is_alive(**pid)).collect();
            if left.is_empty() && !self.directory.exists() {
                return Ok(());
            }
            Err(format!(
                "pids {left:?}, directory: {}",
                self.directory.exists()
            ))
        })
        .await
        .unwrap();
    }
}

/// A zombie counts as dead. It only waits for the process that adopted it.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    })
}

fn runner(test: &str) -> (Child, Traces) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(MARK) {
        line.clear();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "the runner says what it started"
        );
    }
    // It is kept open, because the runner still prints its own result.
    child.stdout = Some(output.into_inner());
    let traces = Traces::parse(line.split_once(MARK).unwrap().1);
    (child, traces)
}

async fn start_and_tell() -> World {
    let world = World::builder().cluster("only").start().await.unwrap();
    let Traces { directory, pids } = Traces::of(&world);
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    println!("{MARK}{} {}", directory.display(), pids.join(" "));
    world
}

#[tokio::test]
#[ignore = "the runner that is killed"]
async fn runs_until_killed() {
    let _world = start_and_tell().await;
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "the runner that ends without dropping its World"]
async fn ends_without_dropping() {
    std::mem::forget(start_and_tell().await);
}

#[tokio::test]
#[ignore = "the runner that panics"]
async fn panics() {
    let _world = start_and_tell().await;
    panic!("as it should");
}

#[tokio::test]
async fn drop_leaves_nothing() {
    let world = World::builder().cluster("only").start().await.unwrap();
    let traces = Traces::of(&world);
    drop(world);
    assert!(!traces.directory.exists());
    traces.are_gone().await;
}

#[tokio::test]
async fn kill_leaves_nothing() {
    let (mut child, traces) = runner("cleanup::runs_until_killed");
    assert!(traces.directory.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    traces.are_gone().await;
}

#[tokio::test]
async fn a_normal_end_leaves_nothing() {
    let (mut child, traces) = runner("cleanup::ends_without_dropping");
    assert!(child.wait().unwrap().success());
    traces.are_gone().await;
}

#[tokio::test]
async fn a_panic_leaves_nothing_but_the_ends_of_the_logs() {
    let (child, traces) = runner("cleanup::panics");
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    traces.are_gone().await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("--- kube-apiserver of only (runs):\n"),
        "{said}"
    );
}
