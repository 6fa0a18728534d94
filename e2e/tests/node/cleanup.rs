//! Nothing of a node outlives the runner that started it, no matter how the runner ends.
//!
//! The runner is this test binary again. It runs an ignored test that starts a node, prints what to
//! look for, and then ends in the way under test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Seek as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::{eventually, node::obstacle};

use crate::stage::{Stage, skip};

const MARK: &str = "node: ";
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
#[ignore = "the runner that is killed"]
async fn runs_until_killed() {
    start_and_tell().await;
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "the runner that panics"]
async fn panics() {
    start_and_tell().await;
    panic!("as it should");
}

#[tokio::test]
#[ignore = "the runner that drops it"]
async fn drops() {
    drop(start_and_tell().await);
}

/// The runs are sequential, because the start of a node needs the whole machine.
#[tokio::test]
async fn a_runner_leaves_nothing_however_it_ends() {
    if let Some(why) = obstacle() {
        skip(&why);
        return;
    }
    for (test, is_killed) in [
        ("cleanup::runs_until_killed", true),
        ("cleanup::panics", false),
        ("cleanup::drops", false),
    ] {
        let (mut runner, directory) = runner(test);
        if is_killed {
            runner.kill().unwrap();
        }
        runner.wait().unwrap();
        let gone = || async {
            let traces = traces(&directory);
            if traces.is_empty() {
                Ok(())
            } else {
                Err(traces.join(", "))
            }
        };
        eventually(SOON, test, gone).await.unwrap();
    }
}

async fn start_and_tell() -> Stage {
    let stage = Stage::of_its_own().await;
    stage.pod("left", &["sleep"]).await;
    let directory = stage.world.directory();
    println!("{MARK}{}", directory.display());
    stage
}

fn runner(test: &str) -> (Child, PathBuf) {
    let mut complaints = tempfile::tempfile().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .stdout(Stdio::piped())
        .stderr(complaints.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(MARK) {
        line.clear();
        let read = output.read_line(&mut line).unwrap();
        if read == 0 {
            let mut why = String::new();
            complaints.rewind().unwrap();
            complaints.read_to_string(&mut why).unwrap();
            panic!("{test} did not start: {why}");
        }
    }
    child.stdout = Some(output.into_inner());
    let directory = line.split_once(MARK).unwrap().1.trim().into();
    (child, directory)
}

/// Everything that still names the World's directory: processes in their command lines or mounts,
/// containers in their control groups, and the directory itself.
fn traces(directory: &Path) -> Vec<String> {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let mut traces = Vec::new();
    if directory.exists() {
        traces.push(directory.display().to_string());
    }
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let told = ["cmdline", "mounts", "cgroup"];
        let named = told.iter().filter(|file| {
            let text = fs::read(process.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(name)
        });
        traces.extend(named.map(|file| process.path().join(file).display().to_string()));
    }
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let groups = hierarchies.flat_map(|entry| fs::read_dir(entry.path()));
    let groups = groups.flat_map(|entries| entries.flatten().map(|entry| entry.path()));
    let left = groups.filter(|path| path.display().to_string().contains(name));
    traces.extend(left.map(|path| path.display().to_string()));
    traces
}
