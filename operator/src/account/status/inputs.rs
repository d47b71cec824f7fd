//! The finding for `InputsHealthy`: sources in conflict, feeds that are missing, inputs without quotes, resets that did not apply,
//! and warnings of the bridge about its subscriptions.

use intuition_api::{
    capability,
    v1::{AccountResponse, InputState, Source},
};
use k8s_openapi::jiff::Timestamp;

use super::warnings;
use crate::{
    account::{
        ask::{RuntimeReport, SourceReset},
        reset::{Reset, Resets},
        sources::SourceProblem,
        status::observation::Pods,
    },
    names::annotation,
    reconcile::{
        condition_type,
        conditions::EventRecord,
        finding::{Finding, Truth},
        reason::{self, HEALTHY, Urgency},
    },
};

/// Dead letters in a row from which on a source is in conflict, as the contract has it.
const CONFLICT_DEAD_LETTERS: u32 = 10;
/// Sources that are named; of the others the number is.
const MAX_NAMED: usize = 3;

/// The finding, and the Events about sources and resets, which are published at most once an hour.
pub(crate) fn inputs(pods: &Pods, resets: &Resets, named: &[SourceProblem]) -> (Finding, Vec<EventRecord>) {
    let (finding, notices) = of_account(pods.report(), resets, named);
    (warnings::add(finding, pods.warnings(), condition_type::INPUTS_HEALTHY), notices)
}

fn of_account(report: Option<&RuntimeReport>, resets: &Resets, named: &[SourceProblem]) -> (Finding, Vec<EventRecord>) {
    let account = readable(report);
    let troubles = troubles(account.as_ref().ok().copied(), named);
    let mut notices: Vec<_> =
        troubles.iter().map(|(reason, message)| EventRecord::hourly(reason, message, "")).collect();
    let calm = match &account {
        Ok(_) => tolerated(named).unwrap_or_else(|| Finding::fine(HEALTHY, "no source is in conflict")),
        Err(unknown) => unknown.clone(),
    };
    let mut finding = match troubles.first() {
        None => calm,
        Some((reason, _)) => {
            let mut messages: Vec<_> = troubles.iter().map(|(_, message)| message.as_str()).collect();
            messages.extend(account.as_ref().err().map(|unknown| unknown.message.as_str()));
            Finding::lacking(reason, messages.join(". "), Urgency::None)
        }
    };
    if account.is_err() {
        return (finding, notices);
    }
    for (reason, trouble, key) in reset_troubles(report, resets) {
        // A conflict keeps its reason: it is why quotes are lost.
        if finding.truth == Truth::True {
            reason.clone_into(&mut finding.reason);
        }
        finding.message = format!("{trouble}. {}", finding.message);
        notices.push(EventRecord::hourly(reason, &trouble, &key));
    }
    (finding, notices)
}

/// The account with its sources, or the finding while the runtime has not shown them.
fn readable(report: Option<&RuntimeReport>) -> Result<&AccountResponse, Finding> {
    let Some(Ok(account)) = report.map(|report| &report.account) else {
        let message = "the runtime's account cannot be read; RuntimeReady has the cause";
        return Err(unknown(reason::ACCOUNT_UNREAD, message));
    };
    if !account.capabilities.iter().any(|known| known == capability::SOURCES) {
        let message = "the runtime is of a release that does not report its sources";
        return Err(unknown(reason::RUNTIME_TOO_OLD, message));
    }
    Ok(account)
}

fn unknown(reason: &str, message: &str) -> Finding {
    Finding { urgency: Urgency::None, ..Finding::unknown(reason, message) }
}

/// Reasons with their messages, the first one first. A feed that is missing comes before its silence.
fn troubles(account: Option<&AccountResponse>, named: &[SourceProblem]) -> Vec<(&'static str, String)> {
    let conflicts = account.and_then(|account| conflicts(&account.sources));
    let stale = account.and_then(|account| stale(&account.inputs));
    let of_named =
        [reason::SOURCE_MISSING, reason::QUOTES_TWICE, reason::TOPIC_NOT_ALLOWED].into_iter().filter_map(|reason| {
            let message = list(named.iter().filter(|problem| problem.is_fault && problem.reason == reason))?;
            Some((reason, message))
        });
    let conflicts = conflicts.map(|message| (reason::SOURCE_CONFLICT, message));
    conflicts.into_iter().chain(of_named).chain(stale.map(|message| (reason::STALE, message))).collect()
}

/// The finding where a topic is subscribed to that the namespace may not use.
fn tolerated(named: &[SourceProblem]) -> Option<Finding> {
    Some(Finding::fine(reason::TOPIC_NOT_ALLOWED, list(named.iter().filter(|problem| !problem.is_fault))?))
}

/// A sentence for each problem of a source that the resource names.
fn list<'a>(problems: impl Iterator<Item = &'a SourceProblem>) -> Option<String> {
    let mut named: Vec<_> = problems.map(ToString::to_string).collect();
    let more = named.split_off(named.len().min(MAX_NAMED)).len();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    (!named.is_empty()).then(|| named.join("; "))
}

/// A sentence for each input that has brought no quote for its `staleAfter`.
fn stale(inputs: &[InputState]) -> Option<String> {
    let stale: Vec<_> = inputs.iter().filter(|input| input.stale).collect();
    let named: Vec<_> = stale.iter().take(MAX_NAMED).map(|input| silence(input)).collect();
    let more = match stale.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let remedy = "see that it is published, and on these topics";
    (!stale.is_empty()).then(|| format!("{}{more}: {remedy}", named.join("; ")))
}

fn silence(input: &InputState) -> String {
    let InputState { topic, stale_after_seconds, last_quote_micros, .. } = input;
    let since = match Timestamp::from_microsecond(*last_quote_micros) {
        Ok(time) if *last_quote_micros > 0 => format!("since {time:.0}"),
        _ => "since the runtime started".to_owned(),
    };
    format!("no quote has come on {topic} {since}, for longer than its staleAfter of {stale_after_seconds} s")
}

/// One sentence or two for each source in conflict. Without numbers that grow, since a status that differs is written.
fn conflicts(sources: &[Source]) -> Option<String> {
    let conflicts: Vec<_> = sources.iter().filter(|source| source.conflicts >= CONFLICT_DEAD_LETTERS).collect();
    let named: Vec<_> = conflicts.iter().take(MAX_NAMED).map(|source| conflict(source)).collect();
    let more = match conflicts.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more, which `intuition sources list` shows"),
    };
    (!conflicts.is_empty()).then(|| format!("{}{more}", named.join("; ")))
}

fn conflict(source: &Source) -> String {
    let Source { channel, name, conflict_reason, .. } = source;
    let subject = if name.is_empty() { "quotes without a source".to_owned() } else { format!("source {name:?}") };
    let remedy = match (conflict_reason.as_str(), source.last) {
        ("IdentityConflict", _) if name.is_empty() => {
            "leave an id that never changes out, or give each quote an id of its own".to_owned()
        }
        ("SourceForgotten", _) => "publish under another source: this one was forgotten".to_owned(),
        ("TooManySources", _) => "give sources names that stay the same, and forget those that are gone by \
                                  `intuition sources forget`"
            .to_owned(),
        (_, Some(last)) => {
            let reset = Reset { channel: channel.clone(), source: name.clone(), era: source.era, last };
            format!(
                "if each symbol has numbers of its own, put the symbol into source; if the publisher began again, \
                 rename the source, or reset it by `intuition sources reset` or the annotation {}={reset}",
                annotation::RESET_SOURCE
            )
        }
        _ => "the dead letters of the account name the cause".to_owned(),
    };
    format!("{subject} on channel {channel}: its quotes go to the dead-letter topic ({conflict_reason}): {remedy}")
}

/// Mistakes of the annotation and refusals of its resets: reason, sentence, and a key for the Event.
fn reset_troubles(report: Option<&RuntimeReport>, resets: &Resets) -> Vec<(&'static str, String, String)> {
    let name = annotation::RESET_SOURCE;
    let resets = match resets {
        Ok(_) => report.map_or(&[][..], |report| report.resets.as_slice()),
        Err(error) => {
            let trouble = format!("the annotation {name} cannot be read: {error}");
            return vec![(reason::RESET_INVALID, trouble, error.clone())];
        }
    };
    let refused = resets.iter().filter_map(|SourceReset { reset, refused }| {
        let refused = refused.as_ref()?;
        let trouble = format!("the annotation {name} resets nothing by {reset}: {refused}; correct it or remove it");
        Some((reason::RESET_REFUSED, trouble, reset.to_string()))
    });
    // One after another: the message of a condition has room for the first ones.
    refused.take(MAX_NAMED).collect()
}
