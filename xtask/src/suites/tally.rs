//! Reads from a suite's output how many tests passed, which were skipped, and why others failed. Pure.

use std::fmt;

/// The start of the line by which a test reports that it was skipped. Such a test counts as passed.
const SKIPPED: &str = "skipped: ";
/// What comes before the place of a panic.
const PANICKED: &str = " panicked at ";
/// How much of the message of a panic is told.
const MOST_LINES: usize = 6;

/// How many tests passed, failed and so on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// The sum of the results of all runners in this output.
    pub(super) fn of(output: &str) -> Self {
        let mut sum = Self::default();
        for result in output.lines().filter_map(of_a_runner) {
            sum.add(&result);
        }
        sum
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            ignored,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} ignored")
    }
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; …`
fn of_a_runner(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        let mut words = counts.split("; ").filter_map(|part| part.split_once(' '));
        let (number, _) = words.find(|(_, word)| *word == what)?;
        number.parse().ok()
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        ignored: count("ignored")?,
    })
}

/// The lines by which tests report that they were skipped, without what comes before that word. A
/// runner with one thread prints the name of the test on the same line.
pub(super) fn skipped(output: &str) -> Vec<String> {
    let told = |line: &str| {
        let (before, why) = line.split_once(SKIPPED)?;
        let is_told = before.is_empty() || before.ends_with(" ... ");
        is_told.then(|| format!("{SKIPPED}{why}"))
    };
    output.lines().filter_map(told).collect()
}

/// Which tests failed, each with the start of its panic: the logs after it can be long.
pub(super) fn failures(output: &str) -> Vec<String> {
    let mut lines = output.lines();
    let mut failures = Vec::new();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("---- ");
        let Some(name) = name.and_then(|it| it.strip_suffix(" stdout ----")) else {
            continue;
        };
        let panicked = |line: &str| line.starts_with("thread '") && line.contains(PANICKED);
        // Stops at the next test, which is read again.
        let mut ahead = lines.clone();
        let own = ahead.by_ref().take_while(|line| !line.starts_with("---- "));
        let mut own = own.skip_while(|line| !panicked(line));
        let place = own.next().and_then(|line| line.split_once(PANICKED));
        let place = place.map_or("ended without a panic", |(_, place)| place);
        let mut failure = format!("{name}: {place}");
        let is_end = |line: &str| {
            ["stack backtrace:", "note: "]
                .iter()
                .any(|it| line.starts_with(it))
        };
        for line in own.take_while(|line| !is_end(line)).take(MOST_LINES) {
            failure.push_str("\n    ");
            failure.push_str(line);
        }
        failures.push(failure);
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_failed_is_told_with_the_start_of_its_panic() {
        let output = "\
test a::b ... FAILED
---- a::b stdout ----
a log

thread 'a::b' (17) panicked at e2e/tests/a.rs:5:3:
an event: Elapsed(())
stack backtrace:
   0: somewhere
thread 'x' (18) panicked at later.rs:1:1:
a log of a process
---- c stdout ----
Error: \"no\"
---- d stdout ----
thread 'd' panicked at d.rs:1:1:
assertion failed
  left: 1
note: run with `RUST_BACKTRACE=1`
";
        let told = [
            "a::b: e2e/tests/a.rs:5:3:\n    an event: Elapsed(())",
            "c: ended without a panic",
            "d: d.rs:1:1:\n    assertion failed\n      left: 1",
        ];
        assert_eq!(failures(output), told);
    }

    #[test]
    fn the_counts_of_all_runners_are_added() {
        let output = "\
running 2 tests
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
test result: FAILED. 30 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0s
test result: nonsense
a line with test result: ok. 9 passed; 0 failed; 0 ignored
";
        let tally = Tally::of(output);
        assert_eq!(tally.to_string(), "32 passed, 1 failed, 4 ignored");
    }

    #[test]
    fn a_skipped_test_is_seen_with_one_thread_and_with_many() {
        let output = "\
skipped: no node
test migration::there_and_back ... skipped: port 443
the step is skipped: by a program under test
test a ... ok
";
        assert_eq!(skipped(output), ["skipped: no node", "skipped: port 443"]);
    }
}
