//! Compares counts with the stored numbers, and cases that need to remember much with the plain case.

use crate::{
    bounds::Bounds,
    callgrind::Counts,
    case::{CASES, PLAIN},
    stage::STAGES,
};

/// A count may be above its stored number by so many percent.
const SLACK_PERCENT: u64 = 10;

/// All findings, each a sentence. None: every count is within its bound.
pub fn findings(counted: &[(&str, Counts)], bounds: &Bounds) -> Vec<String> {
    let mut findings = Vec::new();
    let plain: u64 = counted.iter().filter(|(case, _)| *case == PLAIN.name).flat_map(|(_, counts)| counts).sum();
    for (case, counts) in counted {
        let Some(stored) = bounds.get(*case) else {
            findings.push(format!("{case}: the table has no line for this case"));
            continue;
        };
        for (((stage, _), count), bound) in STAGES.iter().zip(counts).zip(stored) {
            if count * 100 > bound * (100 + SLACK_PERCENT) {
                let more = count * 100 / (*bound).max(1) - 100;
                findings.push(format!(
                    "{case}: the stage {stage} takes {count} instructions for each tick, {more} % more than the {bound} that are \
                     stored ({SLACK_PERCENT} % are allowed)"
                ));
            }
        }
        let sum: u64 = counts.iter().sum();
        let most = CASES.iter().find(|known| known.name == *case).and_then(|known| known.most_above_plain);
        if let Some(most) = most.filter(|most| sum * 100 > plain * (100 + most)) {
            let more = sum * 100 / plain.max(1) - 100;
            findings.push(format!(
                "{case}: {sum} instructions for each tick are {more} % more than the {plain} of {} ({most} % are \
                 allowed): a look-up became slower with the number of its entries",
                PLAIN.name
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Counts = [1_000; STAGES.len()];

    fn found(counts: Counts) -> Vec<String> {
        let bounds: Bounds = [(PLAIN.name.to_owned(), STORED), ("64-filters".to_owned(), counts)].into();
        findings(&[(PLAIN.name, STORED), ("64-filters", counts)], &bounds)
    }

    #[test]
    fn count_beyond_the_slack_names_case_and_stage() {
        let bounds: Bounds = [(PLAIN.name.to_owned(), STORED)].into();
        let mut counts = STORED;
        counts[2] = 1_100;
        assert!(findings(&[(PLAIN.name, counts)], &bounds).is_empty());
        counts[2] = 1_101;
        let [finding] = &findings(&[(PLAIN.name, counts)], &bounds)[..] else { panic!("one finding") };
        assert!(finding.starts_with("decided: the stage decide takes 1101 instructions"), "{finding}");
    }

    #[test]
    fn case_that_needs_a_fifth_more_than_the_plain_one_is_found() {
        assert!(found([1_200; STAGES.len()]).is_empty());
        let [finding] = &found([1_201; STAGES.len()])[..] else { panic!("one finding") };
        assert!(finding.starts_with("64-filters: 7206 instructions"), "{finding}");
    }

    #[test]
    fn case_without_a_stored_line_is_found() {
        assert_eq!(findings(&[("decided", STORED)], &Bounds::new()).len(), 1);
    }
}
