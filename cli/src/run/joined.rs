//! The messages of the run's indicators on their way to the accounts that take them.

use super::local::Local;

/// A message that an account has yet to decide.
struct Undecided<'a> {
    local: &'a Local,
    topic: &'a str,
    source: String,
    seq: i64,
}

/// Whether an account that can decide now has no outcome for a message.
pub(super) fn can_come(locals: &[Local]) -> bool {
    undecided(locals).any(|undecided| undecided.local.backend().reason.is_empty())
}

/// The last messages that accounts did not answer, for a person.
pub(super) fn unanswered(locals: &[Local]) -> Vec<String> {
    let line = |Undecided { local, topic, source, seq }: Undecided<'_>| {
        format!("{} gave no outcome for the quote {seq} of source {source} on topic {topic}", local.account)
    };
    undecided(locals).map(line).collect()
}

/// Sentences about quotes that an indicator published in an earlier run and that an account has not decided: the broker inside of that run
/// is gone, and the indicator publishes no quote again.
pub(super) fn lost(locals: &[Local]) -> Vec<String> {
    let mut lines = Vec::new();
    for indicator in locals.iter().filter(|local| local.keeps_numbers) {
        let Some(topic) = &indicator.joined_topic else { continue };
        for local in locals.iter().filter(|local| local.takes(topic)) {
            let lacks = |source: &str, seq: i64| {
                i64::try_from(local.mark_at_start(topic, source)).ok().filter(|mark| *mark < seq)
            };
            lines.extend(indicator.start.marks.iter().filter_map(|mark| {
                let decided = lacks(&mark.source, mark.seq)?;
                Some(format!(
                    "{}: an earlier run decided the quotes of source {} up to {decided}, and {} had published them up to \
                     {}: the rest is lost with the broker of that run. Another --data-dir begins anew",
                    local.account, mark.source, indicator.account, mark.seq
                ))
            }));
        }
    }
    lines
}

/// The last message of each source of an indicator, for each account that takes the topic and has not decided the message. Messages with an id
/// and no number are left out: no feed of a run publishes such quotes.
fn undecided(locals: &[Local]) -> impl Iterator<Item = Undecided<'_>> {
    let indicators = locals.iter().filter_map(|local| Some((local, local.joined_topic.as_deref()?)));
    indicators.flat_map(move |(indicator, topic)| {
        let numbers = indicator.tally.borrow().joined.clone();
        let takers = locals.iter().filter(|local| local.takes(topic));
        takers.flat_map(move |local| {
            let is_undecided =
                |(source, seq): &&(String, i64)| i64::try_from(local.mark(topic, source)).is_ok_and(|mark| mark < *seq);
            let last: Vec<_> = numbers.iter().filter(is_undecided).cloned().collect();
            last.into_iter().map(move |(source, seq)| Undecided { local, topic, source, seq })
        })
    })
}
