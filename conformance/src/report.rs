//! How results are shown: lines, JSON, a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::known::Reason;

/// What became of one test in its worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome", content = "detail")]
pub(crate) enum Outcome {
    /// With what is worth telling all the same, or nothing.
    Passed(String),
    Failed(String),
    Skipped(String),
}

/// What became of one test, beside the list of known failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// Failed, as the list says.
    Known,
    Skipped,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) area: &'static str,
    pub(crate) test: String,
    pub(crate) spec: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
    pub(crate) milliseconds: u64,
}

impl Line {
    /// Combines an outcome with the reason of a known failure.
    pub(crate) fn judge(
        area: &'static str,
        test: String,
        spec: &'static str,
        outcome: Outcome,
        known: Option<&Reason>,
        milliseconds: u64,
    ) -> Line {
        let (verdict, detail) = match (outcome, known) {
            (Outcome::Passed(note), None) => (Verdict::Passed, note),
            (Outcome::Passed(_), Some(reason)) if !reason.may_pass => {
                let text = &reason.text;
                (Verdict::Failed, format!("passes, but is listed as a known failure: {text}"))
            }
            (Outcome::Passed(_) | Outcome::Failed(_), Some(reason)) => {
                (Verdict::Known, reason.text.clone())
            }
            (Outcome::Failed(detail), None) => (Verdict::Failed, detail),
            (Outcome::Skipped(why), _) => (Verdict::Skipped, why),
        };
        Line { area, test, spec, verdict, detail, milliseconds }
    }

    /// The line for a person.
    pub(crate) fn text(&self) -> String {
        let word = match self.verdict {
            Verdict::Passed => "ok    ",
            Verdict::Failed => "FAILED",
            Verdict::Known => "known ",
            Verdict::Skipped => "skip  ",
        };
        let mut text = format!("{word} {}/{} ({} ms)", self.area, self.test, self.milliseconds);
        if !self.detail.is_empty() {
            let _ = write!(text, ": {}", self.detail);
        }
        if self.verdict == Verdict::Failed {
            let _ = write!(text, " [{}]", self.spec);
        }
        text
    }
}

/// How many of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) known: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    pub(crate) fn of<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Counts {
        let mut counts = Counts::default();
        for line in lines {
            match line.verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Failed => counts.failed += 1,
                Verdict::Known => counts.known += 1,
                Verdict::Skipped => counts.skipped += 1,
            }
        }
        counts
    }

    fn cell(self) -> String {
        format!("{}/{}/{}/{}", self.passed, self.failed, self.known, self.skipped)
    }
}

/// A table of areas and runtimes, as Markdown: `passed/failed/known/skipped`.
pub(crate) fn table(runs: &[(String, Vec<Line>)]) -> String {
    let mut areas: Vec<&str> = Vec::new();
    let mut cells: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
    for (runtime, lines) in runs {
        for line in lines {
            if !areas.contains(&line.area) {
                areas.push(line.area);
            }
        }
        for area in &areas {
            let counts = Counts::of(lines.iter().filter(|line| line.area == *area));
            cells.insert((area, runtime), counts);
        }
    }
    let mut text = String::from("passed/failed/known/skipped\n\n| area |");
    for (runtime, _) in runs {
        let _ = write!(text, " {runtime} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(runs.len()));
    for area in areas {
        let _ = write!(text, "\n| {area} |");
        for (runtime, _) in runs {
            let counts = cells.get(&(area, runtime.as_str())).copied().unwrap_or_default();
            let _ = write!(text, " {} |", counts.cell());
        }
    }
    text.push_str("\n| **all** |");
    for (_, lines) in runs {
        let _ = write!(text, " {} |", Counts::of(lines).cell());
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(area: &'static str, outcome: Outcome, known: Option<&str>) -> Line {
        let known = known.map(|text| Reason { text: text.to_owned(), may_pass: false });
        Line::judge(area, "t".to_owned(), "s", outcome, known.as_ref(), 1)
    }

    #[test]
    fn a_listed_test_that_passes_is_a_failure() {
        assert_eq!(line("a", Outcome::Passed(String::new()), Some("old")).verdict, Verdict::Failed);
        assert_eq!(line("a", Outcome::Failed("x".into()), Some("old")).verdict, Verdict::Known);
        assert_eq!(line("a", Outcome::Failed("x".into()), None).verdict, Verdict::Failed);
    }

    #[test]
    fn the_table_counts_by_area() {
        let lines = vec![
            line("a", Outcome::Passed(String::new()), None),
            line("b", Outcome::Skipped("why".into()), None),
            line("b", Outcome::Failed("x".into()), None),
        ];
        assert_eq!(
            table(&[("runc".to_owned(), lines)]),
            "passed/failed/known/skipped\n\n| area | runc |\n|---|---|\n| a | 1/0/0/0 |\n\
             | b | 0/1/0/1 |\n| **all** | 1/1/0/1 |\n"
        );
    }
}
