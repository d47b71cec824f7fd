//! Sources in the status.

use intuition_api::v1::{InputState, Source};

use super::*;
use crate::{
    account::{ask::SourceReset, plan::Plan, reset, sources::SourceProblem, status::observation::Observation},
    reconcile::{derived::Derived, rollout::Rollout},
    workload::pod_state::PodState,
};

fn conflict(name: &str, reason: &str, conflicts: u32) -> Source {
    Source {
        channel: "quotes".to_owned(),
        name: name.to_owned(),
        last: Some(1234),
        conflicts,
        conflict_reason: reason.to_owned(),
        conflict_message: "number 7".to_owned(),
        ..Source::default()
    }
}

fn with_sources(plan: &Plan, sources: Vec<Source>) -> Observation<'_> {
    let mut observation = trading(plan);
    let account = AccountResponse { sources, ..account(GENERATION) };
    observation.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
    observation
}

/// The condition `InputsHealthy` and those from `Ready` on.
fn inputs_and_ready(derived: &Derived) -> Vec<String> {
    let between = ["OutputsHealthy", "LedgerHealthy", "Trading"];
    shown(derived).split_off(4).into_iter().filter(|line| !between.iter().any(|kind| line.starts_with(kind))).collect()
}

#[test]
fn source_in_conflict_is_named_with_its_remedy() {
    let plan = plan();
    let reset = Source { era: 1, ..conflict("lse", "", 0) };
    let nine = conflict("tse", "SequenceWentBack", 9);
    let fine = seen(&with_sources(&plan, vec![reset, nine]), None);
    assert_eq!(inputs_and_ready(&fine), ["InputsHealthy=True Healthy", "Ready=True Trading"]);

    let observation = with_sources(&plan, vec![conflict("nyse", "SequenceWentBack", 10)]);
    let derived = seen(&observation, Some(&fine.status));
    assert_eq!(inputs_and_ready(&derived), ["InputsHealthy=False SourceConflict", "Ready=True Trading"]);
    assert_eq!(derived.rollout, Rollout::Settled);
    let expected = "source \"nyse\" on channel quotes: its quotes go to the dead-letter topic (SequenceWentBack): if \
                    each symbol has numbers of its own, put the symbol into source; if the publisher began again, \
                    rename the source, or reset it by `intuition sources reset` or the annotation \
                    intuition.dev/reset-source={\"channel\":\"quotes\",\"source\":\"nyse\",\"era\":0,\"last\":1234}";
    assert_eq!(find(&derived, kinds::INPUTS_HEALTHY).message, expected);
    let [notice] = derived.events.as_slice() else { panic!("{:?}", derived.events) };
    assert_eq!((notice.is_warning, notice.reason.as_str(), notice.note.as_str()), (true, "SourceConflict", expected));
    assert!(notice.hourly.is_some());

    // More dead letters change nothing in the status: it would be written at every look.
    let mut worse = conflict("nyse", "SequenceWentBack", 900);
    worse.conflict_message = "number 8".to_owned();
    let again = seen(&with_sources(&plan, vec![worse]), Some(&derived.status));
    assert_eq!((&again.status, &again.events), (&derived.status, &derived.events));
}

#[test]
fn input_without_quotes_is_named_with_the_time_of_its_last_one() {
    let plan = plan();
    let input = |topic: &str, last_quote_micros, stale| InputState {
        topic: topic.to_owned(),
        stale_after_seconds: 300,
        last_quote_micros,
        stale,
    };
    let with_inputs = |sources: Vec<Source>, inputs: &[InputState]| {
        let mut observation = with_sources(&plan, sources);
        if let Some(RuntimeReport { account: Ok(account), .. }) = &mut observation.pods.runtime.1 {
            account.inputs = inputs.to_vec();
        }
        observation
    };
    let micros = 1_764_493_200_123_456;
    let fine = seen(&with_inputs(Vec::new(), &[input("quotes", micros, false)]), None);
    assert_eq!(inputs_and_ready(&fine), ["InputsHealthy=True Healthy", "Ready=True Trading"]);

    let both = [input("quotes", micros, true), input("fx/#", 0, true)];
    let derived = seen(&with_inputs(Vec::new(), &both), Some(&fine.status));
    assert_eq!(inputs_and_ready(&derived), ["InputsHealthy=False Stale", "Ready=True Trading"]);
    let expected = "no quote has come on quotes since 2025-11-30T09:00:00Z, for longer than its staleAfter of 300 s; \
                    no quote has come on fx/# since the runtime started, for longer than its staleAfter of 300 s: \
                    see that it is published, and on these topics";
    assert_eq!(find(&derived, kinds::INPUTS_HEALTHY).message, expected);
    let [notice] = derived.events.as_slice() else { panic!("{:?}", derived.events) };
    assert_eq!((notice.is_warning, notice.reason.as_str(), notice.note.as_str()), (true, "Stale", expected));

    let conflicts = vec![conflict("nyse", "SequenceWentBack", 10)];
    let worse = seen(&with_inputs(conflicts, &both), Some(&derived.status));
    assert_eq!(inputs_and_ready(&worse)[0], "InputsHealthy=False SourceConflict");
    assert!(find(&worse, kinds::INPUTS_HEALTHY).message.contains("no quote has come on quotes since"));
}

#[test]
fn of_many_sources_in_conflict_three_are_named() {
    let plan = plan();
    let mut sources: Vec<_> = (0..5).map(|name| conflict(&name.to_string(), "SequenceWentBack", 10)).collect();
    sources[0] = conflict("", "IdentityConflict", 10);
    sources[1].conflict_reason = "SourceForgotten".to_owned();
    let derived = seen(&with_sources(&plan, sources), None);
    let message = &find(&derived, kinds::INPUTS_HEALTHY).message;
    assert!(message.starts_with("quotes without a source on channel quotes: "), "{message}");
    assert!(message.contains("leave an id that never changes out"), "{message}");
    assert!(message.contains("publish under another source"), "{message}");
    assert!(message.ends_with("; and 2 more, which `intuition sources list` shows"), "{message}");
}

#[test]
fn inputs_are_unknown_without_the_sources_of_the_account() {
    let plan = plan();
    let mut silent = trading(&plan);
    silent.pods.runtime = (PodState::Starting, None);
    assert_eq!(shown(&seen(&silent, None))[4], "InputsHealthy=Unknown AccountUnread");
    let mut older = trading(&plan);
    let account = AccountResponse { capabilities: Vec::new(), ..account(GENERATION) };
    older.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
    let derived = seen(&older, None);
    assert_eq!(inputs_and_ready(&derived), ["InputsHealthy=Unknown RuntimeTooOld", "Ready=True Trading"]);
}

#[test]
fn a_reset_that_cannot_be_read_is_shown_and_told() {
    let mut plan = plan();
    plan.resets = reset::parse(Some("quotes"));
    let derived = seen(&trading(&plan), None);
    assert_eq!(inputs_and_ready(&derived), ["InputsHealthy=True ResetInvalid", "Ready=True Trading"]);
    let message = &find(&derived, kinds::INPUTS_HEALTHY).message;
    assert!(message.starts_with("the annotation intuition.dev/reset-source cannot be read: expected"), "{message}");
    let told = |derived: &Derived| reasons(derived).contains(&"ResetInvalid");
    assert!(told(&derived) && derived.events.iter().any(|notice| notice.hourly.is_some()));

    let observation = with_sources(&plan, vec![conflict("nyse", "SequenceWentBack", 10)]);
    let both = seen(&observation, None);
    assert_eq!(shown(&both)[4], "InputsHealthy=False SourceConflict");
    let message = &find(&both, kinds::INPUTS_HEALTHY).message;
    assert!(message.contains("cannot be read") && message.contains("source \"nyse\""), "{message}");
    assert!(told(&both) && reasons(&both).contains(&"SourceConflict"));
}

#[test]
fn a_reset_that_the_runtime_refuses_is_shown_and_one_that_applied_is_not() {
    let mut plan = plan();
    let value =
        r#"[{"channel":"quotes","source":"nyse","era":0,"last":9},{"channel":"quotes","source":"b","era":0,"last":1}]"#;
    plan.resets = reset::parse(Some(value));
    let resets = plan.resets.clone().unwrap();
    let answered = |refused: [Option<&str>; 2]| {
        let resets = resets.iter().cloned().zip(refused);
        let resets = resets.map(|(reset, refused)| SourceReset { reset, refused: refused.map(str::to_owned) });
        RuntimeReport { resets: resets.collect(), ..serving(GENERATION) }
    };
    let mut observation = trading(&plan);
    observation.pods.runtime.1 = Some(answered([None, Some("OtherLast: it stands elsewhere")]));
    let derived = seen(&observation, None);
    assert_eq!(shown(&derived)[4], "InputsHealthy=True ResetRefused");
    let expected = "the annotation intuition.dev/reset-source resets nothing by \
                    {\"channel\":\"quotes\",\"source\":\"b\",\"era\":0,\"last\":1}: OtherLast: it stands elsewhere; \
                    correct it or remove it. no source is in conflict";
    assert_eq!(find(&derived, kinds::INPUTS_HEALTHY).message, expected);
    observation.pods.runtime.1 = Some(answered([None, None]));
    assert_eq!(shown(&seen(&observation, Some(&derived.status)))[4], "InputsHealthy=True Healthy");
}

fn problem(place: usize, reason: &'static str, is_fault: bool) -> SourceProblem {
    SourceProblem { reason, path: format!("spec.channels.from[{place}]"), message: format!("cause {place}"), is_fault }
}

#[test]
fn a_feed_that_is_missing_or_not_allowed_makes_inputs_unhealthy_alone() {
    let mut plan = plan();
    plan.source_problems = vec![problem(1, "TopicNotAllowed", true), problem(2, "SourceMissing", true)];
    let derived = seen(&trading(&plan), None);
    assert_eq!(inputs_and_ready(&derived), ["InputsHealthy=False SourceMissing", "Ready=True Trading"]);
    let expected = "spec.channels.from[2]: cause 2. spec.channels.from[1]: cause 1";
    assert_eq!(find(&derived, kinds::INPUTS_HEALTHY).message, expected);
    let told: Vec<_> = derived.events.iter().map(|notice| (notice.reason.as_str(), notice.hourly.is_some())).collect();
    assert!(told.contains(&("SourceMissing", true)) && told.contains(&("TopicNotAllowed", true)), "{told:?}");

    let mut silent = trading(&plan);
    silent.pods.runtime = (PodState::Starting, None);
    let early = seen(&silent, None);
    assert_eq!(shown(&early)[4], "InputsHealthy=False SourceMissing");
    assert!(find(&early, kinds::INPUTS_HEALTHY).message.ends_with("RuntimeReady has the cause"));
    let conflict = seen(&with_sources(&plan, vec![conflict("nyse", "SequenceWentBack", 10)]), None);
    assert_eq!(shown(&conflict)[4], "InputsHealthy=False SourceConflict");

    plan.source_problems = Vec::new();
    assert_eq!(inputs_and_ready(&seen(&trading(&plan), Some(&derived.status)))[0], "InputsHealthy=True Healthy");
}

#[test]
fn of_many_missing_feeds_three_are_named() {
    let mut plan = plan();
    plan.source_problems = (0..5).map(|place| problem(place, "SourceMissing", true)).collect();
    let message = find(&seen(&trading(&plan), None), kinds::INPUTS_HEALTHY).message.clone();
    assert!(message.contains("cause 2; and 2 more") && !message.contains("cause 3"), "{message}");
}

#[test]
fn topic_that_is_subscribed_to_without_the_right_is_no_fault() {
    let mut plan = plan();
    plan.source_problems = vec![problem(0, "TopicNotAllowed", false)];
    let derived = seen(&trading(&plan), None);
    assert_eq!(inputs_and_ready(&derived), ["InputsHealthy=True TopicNotAllowed", "Ready=True Trading"]);
    assert_eq!(find(&derived, kinds::INPUTS_HEALTHY).message, "spec.channels.from[0]: cause 0");
}
