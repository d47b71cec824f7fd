//! What was found, row by row, for people and for programs.

use std::collections::BTreeMap;

use intuition_common::text::printable;
use serde::Serialize;

use super::{
    judge::Violation,
    row::{ROWS, Row},
};

/// Breaches of a row that are told; the others are alike.
const MAX_SHOWN_FINDINGS: usize = 3;

/// What came of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// What came, and how often something did.
    Fail(Vec<String>, usize),
    /// Why it was not checked.
    Skip(String),
}

/// Verdicts by row, and notes beside them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    verdicts: BTreeMap<Row, Verdict>,
    /// Habits that the contract allows and that a server does better without; the first of each row.
    notes: BTreeMap<Row, String>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    check: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    came: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    contract: &'static str,
    advice: &'static str,
}

impl Report {
    /// A row was looked at and nothing is wrong so far.
    pub(crate) fn pass(&mut self, row: Row) {
        let verdict = self.verdicts.entry(row).or_insert(Verdict::Pass);
        if matches!(verdict, Verdict::Skip(_)) {
            *verdict = Verdict::Pass;
        }
    }

    /// Something is wrong.
    pub(crate) fn fail(&mut self, row: Row, came: impl Into<String>) {
        if let Some(Verdict::Fail(told, count)) = self.verdicts.get_mut(&row) {
            let came = came.into();
            *count += 1;
            if told.len() < MAX_SHOWN_FINDINGS && !told.contains(&came) {
                told.push(came);
            }
        } else {
            self.verdicts.insert(row, Verdict::Fail(vec![came.into()], 1));
        }
    }

    /// It cannot be checked; what is known already stays.
    pub(crate) fn skip(&mut self, row: Row, why: &str) {
        self.verdicts.entry(row).or_insert_with(|| Verdict::Skip(why.to_owned()));
    }

    /// Takes violations in.
    pub(crate) fn violations(&mut self, violations: impl IntoIterator<Item = Violation>) {
        for Violation { row, came } in violations {
            self.fail(row, came);
        }
    }

    /// Takes notes in. They fail nothing.
    pub(crate) fn notes(&mut self, notes: impl IntoIterator<Item = Violation>) {
        for Violation { row, came } in notes {
            self.notes.entry(row).or_insert(came);
        }
    }

    /// Whether something is wrong with a row.
    pub(crate) fn has_failed(&self, row: Row) -> bool {
        matches!(self.verdicts.get(&row), Some(Verdict::Fail(..)))
    }

    /// The first of these rows with which something is wrong.
    pub(crate) fn first_failed(&self, rows: &[Row]) -> Option<Row> {
        rows.iter().copied().find(|row| self.has_failed(*row))
    }

    /// Passed, failed, skipped.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let count = |wanted: fn(&Verdict) -> bool| self.verdicts.values().filter(|verdict| wanted(verdict)).count();
        let (passed, failed) = (count(|v| *v == Verdict::Pass), count(|v| matches!(v, Verdict::Fail(..))));
        (passed, failed, ROWS.len() - passed - failed)
    }

    fn verdict(&self, row: Row) -> Verdict {
        self.verdicts.get(&row).cloned().unwrap_or_else(|| Verdict::Skip("it was not reached".to_owned()))
    }

    /// A line a check, and for what failed what came, what the contract says, and what to do.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for row in ROWS {
            text.push_str(&self.entry(*row));
            if let Some(note) = self.notes.get(row) {
                text.extend(["      note      ", &printable(note), "\n"]);
            }
        }
        let (passed, failed, skipped) = self.counts();
        text + &format!("{passed} passed, {failed} failed, {skipped} skipped\n")
    }

    fn entry(&self, row: Row) -> String {
        let name = row.name();
        match self.verdict(row) {
            Verdict::Pass => format!("PASS  {name}\n"),
            Verdict::Skip(why) => format!("SKIP  {name:<20}  {}\n", printable(&why)),
            Verdict::Fail(told, count) => {
                let mut lines = vec![format!("FAIL  {name}")];
                lines.extend(told.iter().map(|came| format!("      came      {}", printable(came))));
                if count > told.len() {
                    lines.push(format!("      came      and {} more", count - told.len()));
                }
                lines.push(format!("      contract  {}", row.contract()));
                lines.push(format!("      to do     {}\n", row.advice()));
                lines.join("\n")
            }
        }
    }

    /// The same as JSON: one object a check.
    pub(crate) fn json(&self) -> serde_json::Value {
        let verdicts: Vec<_> = ROWS.iter().map(|row| (*row, self.verdict(*row))).collect();
        let line = |(row, verdict): &(Row, Verdict)| {
            let (name, came, reason) = match verdict {
                Verdict::Pass => ("pass", Vec::new(), None),
                Verdict::Fail(told, _) => ("fail", told.iter().map(String::as_str).collect(), None),
                Verdict::Skip(why) => ("skip", Vec::new(), Some(why.as_str())),
            };
            let (note, contract, advice) = (self.notes.get(row).map(String::as_str), row.contract(), row.advice());
            let line = Line { check: row.name(), verdict: name, came, reason, note, contract, advice };
            // Texts always serialize.
            serde_json::to_value(line).unwrap_or_default()
        };
        verdicts.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_with_what_came_and_stays() {
        let mut report = Report::default();
        report.pass(Row::Order);
        for came in ["a", "a", "b", "c", "d"] {
            report.fail(Row::Order, came);
        }
        report.pass(Row::Order);
        report.skip(Row::Order, "why");
        report.skip(Row::Unary, "later");
        report.pass(Row::Describe);
        assert_eq!(report.counts(), (1, 1, ROWS.len() - 2));
        let text = report.text();
        assert!(text.contains(
            "FAIL  order\n      came      a\n      came      b\n      came      c\n      came      and 2 more\n"
        ));
        assert!(text.contains("SKIP  unary                 later\n"), "{text}");
        assert!(text.contains("PASS  describe\n"));
        assert_eq!(report.json()[0]["verdict"], "pass");
        report.notes([Violation::new(Row::Describe, "odd"), Violation::new(Row::Describe, "odder")]);
        assert!(report.text().contains("PASS  describe\n      note      odd\n"), "{}", report.text());
        assert_eq!((report.counts(), report.json()[0]["note"].as_str()), ((1, 1, ROWS.len() - 2), Some("odd")));
    }
}
