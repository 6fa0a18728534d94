//! Runs one suite to its end, and keeps its output apart from that of the others.

use std::{
    fs::{self, File},
    io,
    num::NonZero,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::build::Suite;
use crate::{cargo::root, terminal::now};

/// The unit of times in /proc, which is the same on every Linux architecture that we build for.
const TICKS_PER_SECOND: u32 = 100;

/// The variable that sets how many tests a Rust test runner runs at a time.
const THREADS: &str = "RUST_TEST_THREADS";
/// Journeys wait for most of their time: for leases, for clocks and for back-offs.
const JOURNEYS_PER_CORE: usize = 2;
/// How many journeys of a suite run at a time. The number is the same on all machines with at least two
/// cores, so that a suite's load is too.
pub(super) const JOURNEYS: usize = 4;

/// API servers allocate most while they start, which is most of what they do in a journey, and there
/// is memory enough to collect garbage less often than Go does by default.
const GARBAGE_COLLECTION: (&str, &str) = ("GOGC", "400");

/// A suite that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) is_success: bool,
    /// Both output streams, in the order in which they were written.
    pub(super) output: String,
    pub(super) elapsed: Duration,
    /// The CPU time of the suite and of all processes that it started and waited for.
    pub(super) cpu: Duration,
}

/// The log is a file and not a pipe, because a process that outlives its suite would keep a pipe
/// open. A file can also be followed while the suite runs.
pub(super) fn run(suite: &Suite, journeys: usize) -> io::Result<Ended> {
    let path = log(&suite.title)?;
    let log = File::create(&path)?;
    let begin = now();
    let mut child = command(suite, journeys)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    // The process stays in /proc until the wait below.
    let id = Pid::from_child(&child);
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    rustix::io::retry_on_intr(|| waitid(WaitId::Pid(id), options))?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let status = child.wait()?;
    Ok(Ended {
        is_success: status.success(),
        output: String::from_utf8_lossy(&fs::read(path)?).into_owned(),
        elapsed: begin.elapsed(),
        cpu: cpu(&stat).unwrap_or_default(),
    })
}

fn command(suite: &Suite, journeys: usize) -> Command {
    let mut command = Command::new(&suite.program);
    if suite.is_journey && std::env::var_os(THREADS).is_none() {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let at_once = journeys.min(cores * JOURNEYS_PER_CORE);
        command.env(THREADS, at_once.to_string());
    }
    let (name, value) = GARBAGE_COLLECTION;
    command
        .args(&suite.args)
        .env(name, value)
        .current_dir(&suite.directory)
        // Cargo sets this too. The inherited value belongs to the package of xtask.
        .env("CARGO_MANIFEST_DIR", &suite.directory);
    command
}

fn log(title: &str) -> io::Result<PathBuf> {
    let directory = root().join("target/suites");
    fs::create_dir_all(&directory)?;
    Ok(directory.join(format!("{}.log", title.replace(' ', "-"))))
}

/// utime, stime, cutime and cstime of `proc_pid_stat(5)`, which are the 14th word and the next
/// three. The second word is the name in brackets, which may contain anything.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let times = after_name.split_whitespace().skip(11).take(4);
    let ticks: Option<u32> = times.map(|word| word.parse::<u32>().ok()).sum();
    Some(Duration::from_secs(1) * ticks? / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(title: &str, script: &'static str) -> Ended {
        let suite = Suite {
            title: format!("xtask test {title}"),
            program: "sh".into(),
            args: vec!["-c", script],
            directory: root(),
            is_journey: false,
        };
        run(&suite, 1).unwrap()
    }

    #[test]
    fn both_streams_and_the_verdict_are_kept() {
        let ended = sh("of streams", "echo one; echo two >&2; exit 3");
        assert_eq!(ended.output, "one\ntwo\n");
        assert!(!ended.is_success);
        assert!(sh("of success", "true").is_success);
    }

    #[test]
    fn what_outlives_a_suite_does_not_hold_it_up() {
        assert!(sh("of time", "sleep 5 & exit 0").elapsed < Duration::from_secs(5));
    }

    #[test]
    fn cpu_is_that_of_a_process_and_its_children() {
        let stat = "7 (a b) c) Z 1 1 1 0 -1 0 0 0 0 0 100 20 3 250 20 0 1 0 5";
        assert_eq!(cpu(stat), Some(Duration::from_millis(3730)));
        assert_eq!(cpu(""), None);
    }
}
