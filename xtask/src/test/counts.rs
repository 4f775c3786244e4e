//! Counting tests by the words of their runners.

use std::fmt;
use std::ops::AddAssign;

/// How many passed, failed and were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// Whose words they are. A failed test's own output is repeated by its runner, and may hold the words of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Nextest,
    CargoTest,
}

impl Runner {
    /// Takes into account what a line of output tells, if it is this runner's summary.
    pub(crate) fn read(self, line: &str, counts: &mut Counts) {
        match self {
            // There is one, at the end.
            Self::Nextest => *counts = nextest(line).unwrap_or(*counts),
            // There is one for each program.
            Self::CargoTest => *counts += cargo_test(line).unwrap_or_default(),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// `Summary [ 0.5s] 3/4 tests run: 1 passed (1 slow), 1 failed, 1 timed out, 2 skipped`.
fn nextest(line: &str) -> Option<Counts> {
    let (head, rest) = line
        .trim_start()
        .strip_prefix("Summary [")?
        .split_once(" run: ")?;
    if !(head.ends_with(" tests") || head.ends_with(" test")) {
        return None;
    }
    let mut counts = Counts::default();
    for (number, word) in outside_parentheses(rest)
        .split(',')
        .filter_map(number_and_word)
    {
        match word {
            "passed" => counts.passed += number,
            "skipped" => counts.skipped += number,
            // "failed", "timed out", "exec failed": whatever it is called, it did not pass.
            _ => counts.failed += number,
        }
    }
    // Of "3/4 tests run" one was begun by nobody.
    if let Some((run, planned)) = head.split_whitespace().rev().nth(1)?.split_once('/') {
        let missing = planned
            .parse::<usize>()
            .ok()?
            .saturating_sub(run.parse().ok()?);
        counts.skipped += missing;
    }
    Some(counts)
}

/// `test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`.
fn cargo_test(line: &str) -> Option<Counts> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = Counts::default();
    for (number, word) in rest.split(';').filter_map(number_and_word) {
        match word {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            // What was filtered out here is run by another command.
            "ignored" => counts.skipped += number,
            _ => {}
        }
    }
    Some(counts)
}

fn number_and_word(text: &str) -> Option<(usize, &str)> {
    let (number, word) = text.trim().split_once(' ')?;
    Some((number.parse().ok()?, word.trim()))
}

fn outside_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    text.chars()
        .filter(|character| {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(runner: Runner, lines: &[&str]) -> (usize, usize, usize) {
        let mut counts = Counts::default();
        for line in lines {
            runner.read(line, &mut counts);
        }
        (counts.passed, counts.failed, counts.skipped)
    }

    #[test]
    fn the_summary_of_nextest_is_counted() {
        let nextest = |line| read(Runner::Nextest, &[line]);
        let line =
            "     Summary [   5.032s] 212 tests run: 212 passed (2 slow, 1 leaky), 3 skipped";
        assert_eq!(nextest(line), (212, 0, 3));
        let line =
            "     Summary [   0.1s] 3/5 tests run: 1 passed, 1 failed, 1 timed out, 1 skipped";
        assert_eq!(nextest(line), (1, 2, 3));
        let line = "     Summary [ 0.0s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(nextest(line), (1, 0, 0));
    }

    #[test]
    fn the_results_of_cargo_test_add_up() {
        let lines = [
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s",
            "test tokens::it_works ... ok",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ];
        assert_eq!(read(Runner::CargoTest, &lines), (3, 1, 1));
    }

    #[test]
    fn the_repeated_output_of_a_failed_test_is_not_counted_again() {
        let lines = [
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s",
            "     Summary [   0.1s] 2 tests run: 1 passed, 1 failed, 0 skipped",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s",
        ];
        assert_eq!(read(Runner::Nextest, &lines), (1, 1, 0));
    }

    #[test]
    fn other_lines_count_for_nothing() {
        let lines = [
            "",
            "Summary",
            "Summary [x] of it",
            "test result: no",
            "9 tests run: 9 passed",
        ];
        assert_eq!(read(Runner::Nextest, &lines), (0, 0, 0));
        assert_eq!(read(Runner::CargoTest, &lines), (0, 0, 0));
    }
}
