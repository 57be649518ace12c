//! What is printed: a line for each test, and the totals.

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

/// How many lines of an engine's log are shown beside a failure.
const LOG_LINES: usize = 5;

/// Counts results and prints each as it comes.
pub(crate) struct Report {
    filter: String,
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    /// A report that runs only tests whose name contains `filter`.
    pub(crate) fn new(filter: String) -> Report {
        Report { filter, passed: 0, failed: 0, skipped: 0 }
    }

    /// Runs one test and prints its result; with a failure, the end of the log at `log`.
    pub(crate) fn test(
        &mut self,
        name: &str,
        log: Option<&Path>,
        body: impl FnOnce() -> Result<()>,
    ) {
        if !name.contains(&self.filter) {
            return;
        }
        let began = Instant::now();
        let result = body();
        let seconds = began.elapsed().as_secs_f32();
        match result {
            Ok(()) => {
                self.passed += 1;
                say(&format!("ok    {name} ({seconds:.1} s)"));
            }
            Err(error) => {
                self.failed += 1;
                say(&format!("FAIL  {name} ({seconds:.1} s)\n      {error:#}"));
                if let Some(log) = log {
                    print_end(log);
                }
            }
        }
    }

    /// Notes that `name` can't be tested here. With `REQUIRE_ALL=1` that is a failure.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        if std::env::var_os("REQUIRE_ALL").is_some_and(|value| value == "1") {
            self.failed += 1;
            say(&format!("FAIL  {name}: {reason}"));
        } else {
            self.skipped += 1;
            say(&format!("skip  {name}: {reason}"));
        }
    }

    /// Prints the totals; true if nothing failed and something passed.
    pub(crate) fn finish(&self) -> bool {
        let Report { passed, failed, skipped, .. } = self;
        say(&format!("\n{passed} passed, {failed} failed, {skipped} skipped"));
        *failed == 0 && *passed > 0
    }
}

/// Prints an error chain to standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {error:#}");
}

fn print_end(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("level=info")).collect();
    for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
        say(&format!("      | {line}"));
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
