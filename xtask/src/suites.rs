//! The tests of the workspace, suite by suite. All suites are built first, then run in parallel as
//! far as the machine allows. Short suites run before the journeys. The output of each suite is
//! printed as a whole when it ends.

use std::{collections::BTreeMap, io::Write as _, num::NonZero, sync::mpsc, thread};

use anyhow::Context as _;

use crate::{needs::Skips, terminal::tell};

mod build;
mod inotify;
mod process;
mod queue;
mod tally;

pub(crate) use build::{Suite, suites as build};
use inotify::Room;
use process::{Ended, JOURNEYS};
use queue::Queue;
use tally::Tally;

/// Runs the suites that need no control plane, and the journeys if none of those failed. Returns
/// what the suites report as skipped, or fails because of it if `skips` forbids that.
pub(crate) fn run(suites: &[Suite], skips: Skips) -> anyhow::Result<Vec<String>> {
    let (journeys, rest): (Vec<_>, Vec<_>) = suites.iter().partition(|suite| suite.is_journey);
    let mut results = Results::default();
    let room = Room::make()?;
    let at_once = if room.is_enough {
        JOURNEYS
    } else {
        JOURNEYS / 2
    };
    for phase in [rest, journeys] {
        side_by_side(&phase, at_once, &mut results)?;
        if !results.failed.is_empty() {
            break;
        }
    }
    tell(&results.tally.to_string())?;
    results.verdict(skips)
}

/// Runs all of these suites, even if one fails, so that one log shows all failures.
fn side_by_side(suites: &[&Suite], journeys: usize, results: &mut Results) -> anyhow::Result<()> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let titles: Vec<_> = suites.iter().map(|suite| suite.title.as_str()).collect();
    let mut queue = Queue::new(&titles, cores);
    tell(&format!("{} suites on {cores} cores", suites.len()))?;
    thread::scope(|scope| {
        let (sender, ended) = mpsc::sync_channel(suites.len());
        loop {
            while let Some(index) = queue.start_next() {
                tell(&format!("{}: started", titles[index]))?;
                let (suite, sender) = (suites[index], sender.clone());
                // If the receiver is gone, nobody needs the result any more.
                scope.spawn(move || drop(sender.send((index, process::run(suite, journeys)))));
            }
            if queue.is_over() {
                return Ok(());
            }
            let (index, outcome) = ended.recv().context("no suite is left to wait for")?;
            queue.end(index);
            let ended = outcome.with_context(|| format!("cannot run {}", titles[index]))?;
            print(titles[index], &ended)?;
            results.add(titles[index], &ended);
        }
    })
}

fn print(title: &str, ended: &Ended) -> anyhow::Result<()> {
    let Ended {
        is_success,
        output,
        elapsed,
        cpu,
    } = ended;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "==> output of {title}")?;
    stdout.write_all(output.as_bytes())?;
    stdout.flush()?;
    let verdict = if *is_success { "passed" } else { "FAILED" };
    tell(&format!(
        "{title}: {verdict} in {:.1} s ({:.1} s of CPU)",
        elapsed.as_secs_f32(),
        cpu.as_secs_f32()
    ))
}

/// The results of all suites together.
#[derive(Debug, Default)]
struct Results {
    tally: Tally,
    failed: Vec<String>,
    /// The tests that failed, and why.
    failures: Vec<String>,
    /// What was skipped and where, and how many times it was reported. One cause may skip many
    /// tests.
    skipped: BTreeMap<String, usize>,
}

impl Results {
    fn add(&mut self, title: &str, ended: &Ended) {
        self.tally.add(&Tally::of(&ended.output));
        for line in tally::skipped(&ended.output) {
            *self.skipped.entry(format!("{title}: {line}")).or_default() += 1;
        }
        if !ended.is_success {
            self.failed.push(title.to_owned());
            let failures = tally::failures(&ended.output);
            let failures = failures.iter().map(|it| format!("{title}: {it}"));
            self.failures.extend(failures);
        }
    }

    fn verdict(self, skips: Skips) -> anyhow::Result<Vec<String>> {
        let skipped = self.skipped.iter();
        let skipped = skipped.map(|(line, times)| format!("{line} ({times} times)"));
        let skipped: Vec<_> = skipped.collect();
        let mut faults = Vec::new();
        if !self.failed.is_empty() {
            let failed = self.failed.join(", ");
            faults.push(format!("failed, see target/suites/: {failed}"));
            faults.extend(self.failures);
        }
        if skips == Skips::Forbidden && !skipped.is_empty() {
            let lines = skipped.join("\n");
            faults.push(format!("nothing may be skipped, and yet:\n{lines}"));
        }
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(skipped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn results(is_success: bool, output: &str) -> Results {
        let mut results = Results::default();
        let ended = Ended {
            is_success,
            output: output.to_owned(),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
        };
        results.add("e2e node", &ended);
        results
    }

    #[test]
    fn a_skipped_test_fails_only_where_nothing_may_be_skipped() {
        let output =
            "skipped: no node\nskipped: no node\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
        let line = "e2e node: skipped: no node (2 times)";
        let allowed = results(true, output).verdict(Skips::Allowed);
        assert_eq!(allowed.unwrap(), [line]);
        let error = results(true, output).verdict(Skips::Forbidden).unwrap_err();
        assert!(error.to_string().ends_with(line), "{error}");
    }

    #[test]
    fn a_suite_that_fails_is_named() {
        let error = results(false, "").verdict(Skips::Allowed).unwrap_err();
        assert_eq!(error.to_string(), "failed, see target/suites/: e2e node");
    }
}
