use proptest::prelude::*;

use super::*;

fn want(causes: &[(&str, TradingState, &str)]) -> RequestedCauses {
    causes.iter().map(|(code, state, message)| ((*code).to_owned(), (*state, (*message).to_owned()))).collect()
}

fn fresh() -> Trading {
    Trading::load(None, "u-1", None, 0)
}

fn codes(trading: &Trading) -> Vec<(String, TradingState)> {
    trading.shown().causes.iter().map(|cause| (cause.cause.clone(), cause.state())).collect()
}

fn settings(generation: i64, suspend: bool) -> SettingsRecord {
    SettingsRecord {
        resource_uid: "u-1".to_owned(),
        settings_generation: generation,
        cash_generation: generation,
        settings_json: format!(r#"{{"suspend":{suspend}}}"#),
    }
}

use TradingState::{Active, Halted, Reducing};

#[test]
fn stricter_call_counts_at_any_generation_and_without_a_number() {
    let mut trading = fresh();
    assert_eq!(trading.set(&want(&[("Halt", Halted, "ann")]), 5, Some(0), 1), None);
    assert_eq!((trading.state(), trading.number(), trading.generation()), (Halted, 1, 5));
    let more = want(&[("Halt", Halted, "bob"), ("Reduce", Reducing, "bob")]);
    assert_eq!(trading.set(&more, 2, None, 2), None);
    assert_eq!((trading.number(), trading.generation()), (2, 5), "an older generation is not recorded");
    assert_eq!(trading.shown().causes[0].message, "ann", "an older call does not change the text");
    assert_eq!(trading.set(&more, 7, None, 3), None);
    assert_eq!((trading.number(), trading.generation()), (2, 5), "a call without the number records no generation");
    assert_eq!(trading.set(&more, 7, Some(2), 3), None);
    assert_eq!(trading.generation(), 7);
}

#[test]
fn looser_call_needs_the_generation_and_the_number() {
    let mut trading = fresh();
    trading.set(&want(&[("User", Halted, ""), ("Halt", Halted, "")]), 5, Some(0), 1);
    let looser = want(&[("User", Reducing, "")]);
    assert_eq!(trading.set(&looser, 4, Some(1), 2), Some(LeftOut::OlderGeneration));
    assert_eq!(trading.set(&looser, 4, None, 2), Some(LeftOut::OlderGeneration));
    assert_eq!(trading.set(&looser, 9, None, 2), Some(LeftOut::OtherNumber));
    assert_eq!(trading.set(&looser, 9, Some(0), 2), Some(LeftOut::OtherNumber));
    assert_eq!((trading.number(), trading.generation(), codes(&trading).len()), (1, 5, 2));
    assert_eq!(trading.set(&looser, 5, Some(1), 2), None);
    assert_eq!((codes(&trading), trading.number()), (vec![("User".to_owned(), Reducing)], 2));
}

#[test]
fn refused_call_still_applies_the_stricter_part() {
    let mut trading = fresh();
    trading.set(&want(&[("Halt", Halted, "")]), 5, Some(0), 1);
    assert_eq!(trading.set(&want(&[("Reduce", Reducing, "")]), 3, Some(1), 2), Some(LeftOut::OlderGeneration));
    assert_eq!(codes(&trading), [("Halt".to_owned(), Halted), ("Reduce".to_owned(), Reducing)]);
    assert_eq!((trading.number(), trading.generation()), (2, 5));
}

#[test]
fn repetition_changes_nothing_and_a_text_changes_with_the_number() {
    let mut trading = fresh();
    trading.set(&want(&[("Halt", Halted, "ann")]), 5, Some(0), 1);
    trading.take_change().unwrap();
    assert_eq!(trading.set(&want(&[("Halt", Halted, "ann")]), 5, Some(1), 9), None);
    assert_eq!(trading.take_change(), None);
    assert_eq!(trading.set(&want(&[("Halt", Halted, "bob")]), 5, Some(1), 9), None);
    let shown = &trading.shown().causes[0];
    assert_eq!((shown.message.as_str(), shown.since_micros, trading.number()), ("bob", 1, 2));
}

#[test]
fn suspend_false_ends_the_stop_of_suspend_true_alone() {
    let mut trading = fresh();
    trading.suspend(3, 1);
    trading.suspend(2, 2);
    assert_eq!((trading.state(), trading.number(), trading.generation()), (Halted, 1, 3));
    trading.end_suspend(2);
    assert_eq!(trading.state(), Halted, "an older generation ends nothing");
    trading.end_suspend(3);
    assert_eq!((trading.state(), trading.number()), (Active, 2));
    // Beside a stop of a call that is less strict, `suspend` holds while it is there, and the call's stop after it.
    trading.set(&want(&[("User", Reducing, "spec.tradingState")]), 4, Some(2), 1);
    trading.suspend(5, 2);
    assert_eq!(codes(&trading), [("User".to_owned(), Halted)]);
    trading.end_suspend(6);
    assert_eq!(codes(&trading), [("User".to_owned(), Reducing)]);
    // A call that names the same stop makes it its own.
    trading.suspend(7, 3);
    trading.set(&want(&[("User", Halted, "spec.tradingState")]), 7, None, 4);
    trading.end_suspend(8);
    assert_eq!(codes(&trading), [("User".to_owned(), Halted)]);
}

#[test]
fn file_of_the_start_counts_above_the_recorded_generation() {
    let file = |generation, causes: &[(&str, TradingState, &str)]| Document {
        resource_uid: "u-1".to_owned(),
        generation,
        causes: want(causes),
    };
    let mut trading = fresh();
    trading.set(&want(&[("Halt", Halted, "")]), 5, Some(0), 1);
    trading.begin_with(&file(4, &[("User", Halted, "")]), 0, 2);
    assert_eq!(trading.number(), 1, "an older file does not count");
    trading.begin_with(&file(5, &[("Reduce", Reducing, "")]), 0, 2);
    assert_eq!(codes(&trading), [("Halt".to_owned(), Halted), ("Reduce".to_owned(), Reducing)]);
    trading.begin_with(&file(6, &[]), 7, 3);
    assert_eq!(trading.state(), Halted, "settings of generation 7 are recorded: the file comes late");
    trading.begin_with(&file(6, &[]), 6, 3);
    assert_eq!((trading.state(), trading.generation()), (Active, 6));
}

#[test]
fn flags_rule_the_cause_user_and_no_other() {
    let mut trading = Trading::load(None, "", None, 0);
    trading.begin_by_flags(Active, 0);
    assert_eq!(trading.take_change(), None);
    trading.set(&want(&[("User", Halted, ""), ("Halt", Halted, "ann")]), 0, Some(0), 1);
    trading.begin_by_flags(Reducing, 2);
    assert_eq!(codes(&trading), [("Halt".to_owned(), Halted), ("User".to_owned(), Reducing)]);
    trading.begin_by_flags(Active, 3);
    assert_eq!(codes(&trading), [("Halt".to_owned(), Halted)]);
}

#[test]
fn suspend_of_v010_is_taken_up_where_it_is_newer() {
    let old = Trading::load(None, "u-1", Some(&settings(4, true)), 9);
    assert_eq!((old.state(), old.generation(), old.shown().causes[0].since_micros), (Halted, 4, 9));
    assert_eq!(Trading::load(None, "u-1", Some(&settings(4, false)), 9).state(), Active);
    assert_eq!(Trading::load(None, "u-2", Some(&settings(4, true)), 9).state(), Active, "another resource's");

    let mut trading = fresh();
    trading.set(&want(&[("Halt", Halted, "ann")]), 5, Some(0), 1);
    trading.note_settings(&settings(8, true));
    let record = trading.take_change().unwrap();
    let again = |settings: &SettingsRecord| Trading::load(Some(record.clone()), "u-1", Some(settings), 9);
    assert_eq!(codes(&again(&settings(8, true))).len(), 1, "this release wrote it for v0.1.0");
    assert_eq!(codes(&again(&settings(4, true))).len(), 1, "older than the table");
    assert_eq!(codes(&again(&settings(9, true))).len(), 2);
    assert_eq!(codes(&again(&settings(9, false))), [("Halt".to_owned(), Halted)], "never one of a call");
    let mut suspended = fresh();
    suspended.suspend(5, 1);
    suspended.note_settings(&settings(5, true));
    let record = suspended.take_change().unwrap();
    assert_eq!(Trading::load(Some(record), "u-1", Some(&settings(6, false)), 9).state(), Active);
}

#[test]
fn causes_of_another_resource_hold_until_they_are_replaced() {
    let mut trading = fresh();
    trading.set(&want(&[("Halt", Halted, "ann")]), 5, Some(0), 1);
    let record = trading.take_change();
    let mut next = Trading::load(record, "u-2", None, 2);
    assert_eq!((next.state(), next.generation()), (Halted, 0));
    assert_eq!(next.set(&RequestedCauses::new(), 1, Some(1), 3), None);
    assert_eq!(next.state(), Active);
}

#[test]
fn causes_that_no_call_may_set_are_named() {
    let cause = |code: &str, state: TradingState, message: String| TradingCause {
        cause: code.to_owned(),
        state: state.into(),
        message,
        since_micros: 0,
    };
    let refused = |causes: &[TradingCause]| requested_causes(causes).unwrap_err();
    let none = String::new;
    assert_eq!(refused(&[cause("MaxDrawdown", Halted, none())]), CauseError::UnknownCode("MaxDrawdown".to_owned()));
    let twice = [cause("Halt", Halted, none()), cause("Halt", Reducing, none())];
    assert_eq!(refused(&twice), CauseError::RepeatedCode("Halt".to_owned()));
    for state in [Active, TradingState::Unspecified] {
        assert_eq!(refused(&[cause("User", state, none())]), CauseError::NoStop("User".to_owned()));
    }
    let long = "x".repeat(LONGEST_MESSAGE + 1);
    assert!(matches!(refused(&[cause("User", Halted, long)]), CauseError::LongMessage { bytes: 1_025, .. }));
    assert_eq!(requested_causes(&[cause("User", Halted, "x".repeat(LONGEST_MESSAGE))]).unwrap().len(), 1);
}

fn state() -> impl Strategy<Value = TradingState> {
    prop_oneof![Just(Reducing), Just(Halted)]
}

fn causes() -> impl Strategy<Value = RequestedCauses> {
    let entry = (prop_oneof![Just("User"), Just("Halt"), Just("Reduce")], state(), "[ab]");
    prop::collection::vec(entry, 0..4).prop_map(|entries| {
        entries.into_iter().map(|(code, state, message)| (code.to_owned(), (state, message))).collect()
    })
}

#[test]
fn cause_of_the_runtimes_own_is_ended_by_the_runtime_alone() {
    let mut trading = fresh();
    trading.halt(cause::LEDGER_DAMAGED, "entry 7", 1);
    trading.halt(cause::LEDGER_DAMAGED, "entry 7", 2);
    assert_eq!((trading.state(), trading.number()), (Halted, 1));
    assert_eq!(trading.set(&want(&[]), 8, Some(1), 3), None);
    assert_eq!((codes(&trading), trading.number()), (vec![("LedgerDamaged".to_owned(), Halted)], 1));
    trading.halt(cause::LEDGER_DAMAGED, "entry 6", 4);
    let shown = &trading.shown().causes[0];
    assert_eq!((shown.message.as_str(), shown.since_micros, trading.number()), ("entry 6", 1, 2));
    trading.end(cause::LEDGER_DAMAGED);
    trading.end(cause::LEDGER_DAMAGED);
    assert_eq!((trading.state(), trading.number()), (TradingState::Active, 3));
}

proptest! {
    /// Calls that come late, in any order and number, lift nothing: each cause stays at least as strict as it was.
    #[test]
    fn late_calls_lift_no_stop(
        first in causes(),
        late in prop::collection::vec((causes(), 0_i64..12, prop::option::of(0_u64..4), any::<bool>()), 0..12),
    ) {
        let mut trading = fresh();
        trading.set(&want(&[("Halt", Halted, "early")]), 8, Some(0), 1);
        trading.set(&want(&[]), 9, Some(1), 2);
        trading.set(&want(&[]), 10, Some(2), 2);
        trading.set(&first, 10, Some(trading.number()), 3);
        trading.set(&want(&[("Reduce", Reducing, "last")]), 0, None, 3);
        let strictness = |trading: &Trading, code: &str| {
            trading.record.causes.iter().filter(|((known, _), _)| known == code).map(|(_, cause)| cause.state).max()
        };
        for (causes, generation, from, suspend) in late {
            // Late: of an older generation, or about a state that is no longer in force.
            let from = from.filter(|from| generation < trading.generation() || *from != trading.number());
            let before = trading.clone();
            trading.set(&causes, generation, from, 4);
            if suspend {
                trading.suspend(generation, 4);
            } else if generation < trading.generation() {
                trading.end_suspend(generation);
            }
            for code in cause::SETTABLE {
                prop_assert!(strictness(&trading, code) >= strictness(&before, code), "{code}");
            }
            prop_assert!(trading.state() >= before.state());
            prop_assert!(trading.generation() >= before.generation() && trading.number() >= before.number());
        }
    }
}
