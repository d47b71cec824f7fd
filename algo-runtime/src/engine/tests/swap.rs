//! Another algorithm takes over while quotes come in: none is lost, none decided twice, and the order stays.

use intuition_api::v1::ConfigureResponse;

use super::{far::*, *};
use crate::backend::{BackendError, BackendReply, ConditionReason, LinkCommand, LinkEvent};

fn reasons(response: &ConfigureResponse) -> Vec<(&str, &str)> {
    response.refusals.iter().map(|refusal| (refusal.reason.as_str(), refusal.field.as_str())).collect()
}

/// The built-in one decides on `quotes`, which the bridge holds.
fn builtin() -> Wired {
    let mut wired = Wired::new(resource(1));
    wired.hold(&["quotes"]);
    wired.mark(1);
    wired
}

/// The backend at A decides on `quotes`, which the bridge holds.
fn backend() -> Wired {
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    wired.hold(&["quotes"]);
    wired.mark(1);
    wired
}

fn refusal(reason: &str) -> BackendReply {
    BackendReply::Initialized(v1::InitializeResponse { channels: Vec::new(), refusal: reason.to_owned() })
}

#[test]
fn a_built_in_algorithm_decides_until_the_backend_is_initialized() {
    let mut wired = builtin();
    let response = wired.move_to(A, 2);
    assert_eq!(reasons(&response), [("Swapping", "algorithmAddress")]);
    assert_eq!((response.effective_generation, response.cash_generation), (1, 2));
    wired.send(0..1);
    assert_eq!(kinds(&wired.told()), [Kind::Decided]);
    wired.describe(A, "algo");
    wired.send(1..2);
    assert_eq!(kinds(&wired.told()), [Kind::Decided]);
    let candidate = wired.account().candidate.unwrap();
    assert_eq!((candidate.address.as_str(), candidate.name.as_str()), (A, "algo"));
    assert_eq!((wired.deciding(), candidate.reason.as_str()), ("random".to_owned(), "BackendStarting"));
    wired.order(A);
    wired.report(A, Ok(BackendReply::Initialized(initialized(&["quotes"]))));
    assert_eq!((wired.deciding(), wired.account().candidate), ("algo".to_owned(), None));
    let again = wired.move_to(A, 2);
    assert_eq!((again.effective_generation, again.refusals), (2, vec![]));
    wired.send(2..3);
    assert_eq!(wired.answer(A, "s"), ["3"]);
    assert_eq!(wired.account().decisions, 3);
    assert_eq!(wired.channels().0, 1, "the channels are the same");
    wired.verify();
}

#[test]
fn failing_backend_leaves_its_ticks_to_the_built_in_successor() {
    let mut wired = backend();
    wired.send(0..3);
    let batch = wired.batch(A);
    let response = wired.configure(2, |settings| {
        "random".clone_into(&mut settings.algorithm);
        settings.algorithm_address.clear();
    });
    assert_eq!(reasons(&response), [("Swapping", "algorithm")]);
    assert!(wired.told().outcomes.is_empty(), "the outstanding batch is waited for");
    wired.send(3..4);
    wired.report(A, Ok(BackendReply::Result(buys(&batch, "last words"))));
    assert_eq!(kinds(&wired.told()).len(), 4);
    assert_eq!((wired.deciding().as_str(), wired.links.len()), ("random", 0));
    assert_eq!(wired.saved("algo").unwrap(), b"last words");

    let mut wired = backend();
    wired.send(0..3);
    wired.batch(A);
    wired.configure(2, |settings| {
        "random".clone_into(&mut settings.algorithm);
        settings.algorithm_address.clear();
    });
    wired.report(A, Err(BackendError::new(ConditionReason::Timeout, "late".to_owned())));
    assert_eq!(kinds(&wired.told()), [Kind::Decided; 3]);
    assert!(wired.links.is_empty(), "the old stream is closed");
    wired.verify();
}

#[test]
fn a_backend_that_is_left_gets_its_state_back_when_it_returns() {
    let mut wired = backend();
    wired.send(0..1);
    wired.answer(A, "state of a");
    wired.move_to(B, 2);
    assert_eq!(&wired.come_up(B, "other", &["quotes"]).state[..], b"");
    wired.send(1..2);
    wired.answer(B, "state of b");
    wired.move_to(A, 3);
    assert_eq!(&wired.come_up(A, "algo", &["quotes"]).state[..], b"state of a");
    wired.send(2..3);
    wired.answer(A, "state of a, later");
    wired.restart(at(A, 3));
    assert_eq!(&wired.come_up(A, "algo", &["quotes"]).state[..], b"state of a, later");
    wired.move_to(B, 4);
    assert_eq!(&wired.come_up(B, "other", &["quotes"]).state[..], b"state of b");
    wired.verify();
}

#[test]
fn built_in_algorithm_that_returns_goes_on_from_its_state() {
    let settings = || {
        let mut settings = resource(1);
        settings.live.threshold = 0.5;
        settings
    };
    let mut undisturbed = Wired::new(settings());
    undisturbed.send(0..40);
    let expected = kinds(&undisturbed.told());
    assert!(expected.contains(&Kind::NoSignal) && expected.contains(&Kind::Decided), "{expected:?}");

    let mut wired = Wired::new(settings());
    wired.send(0..20);
    let mut decided = kinds(&wired.told());
    wired.move_to(A, 2);
    wired.come_up(A, "algo", &["quotes"]);
    wired.configure(3, |_| {});
    assert_eq!(wired.deciding(), "random");
    wired.send(20..40);
    decided.extend(kinds(&wired.told()));
    assert_eq!(decided, expected);
}

#[test]
fn same_algorithm_at_another_address_gets_the_newest_state_first() {
    let mut wired = backend();
    wired.send(0..1);
    wired.answer(A, "one");
    wired.send(1..2);
    let batch = wired.batch(A);
    wired.move_to(B, 2);
    assert_eq!(&wired.come_up(B, "algo", &["quotes"]).state[..], b"one");
    assert_eq!(wired.deciding(), "algo");
    wired.send(2..3);
    wired.report(A, Ok(BackendReply::Result(buys(&batch, "two"))));
    // Between the two nothing is decided.
    assert!(wired.is_idle(A));
    assert_eq!(wired.account().backend.unwrap().address, A);
    assert_eq!(&wired.come_up(B, "algo", &["quotes"]).state[..], b"two");
    assert_eq!(wired.account().backend.unwrap().address, B);
    assert_eq!(wired.answer(B, "three"), ["3"]);
    assert_eq!(wired.started.len(), 2);
    assert_eq!(wired.saved("algo").unwrap(), b"three");
    wired.verify();
}

#[test]
fn candidate_that_fails_at_the_newest_state_leaves_the_active_one() {
    let mut wired = backend();
    wired.send(0..1);
    let batch = wired.batch(A);
    wired.move_to(B, 2);
    wired.come_up(B, "algo", &["quotes"]);
    wired.send(1..2);
    wired.report(A, Ok(BackendReply::Result(buys(&batch, "new"))));
    assert!(wired.is_idle(A));
    wired.fail(B);
    assert_eq!(wired.answer(A, "newer"), ["2"]);
    assert_eq!(&wired.come_up(B, "algo", &["quotes"]).state[..], b"newer");
    assert_eq!(wired.account().backend.unwrap().address, B);
}

#[test]
fn parameters_are_taken_within_the_stream_between_two_batches() {
    let mut wired = backend();
    wired.send(0..1);
    let batch = wired.batch(A);
    let change = |settings: &mut v1::Settings| settings.parameters_json = r#"{"fast":3}"#.to_owned();
    assert_eq!(reasons(&wired.configure(2, change)), [("Swapping", "parameters")]);
    assert!(wired.is_idle(A), "the batch is outstanding");
    wired.send(1..2);
    wired.report(A, Ok(BackendReply::Result(buys(&batch, ""))));
    let LinkCommand::Reconfigure(asked) = wired.order(A) else { panic!("Reconfigure") };
    assert_eq!(asked.parameters_json, r#"{"fast":3,"threshold":0.0}"#);
    assert!(wired.is_idle(A), "one message at a time");
    wired.report(A, Ok(reconfigured(&["quotes", "more"], "")));
    assert_eq!(wired.channels(), (2, vec!["quotes".to_owned(), "more".to_owned()]));
    assert_eq!(wired.answer(A, ""), ["2"]);
    let account = wired.account();
    assert_eq!((account.effective_generation, account.candidate), (2, None));
    // The next stream begins with them.
    wired.fail(A);
    assert_eq!(wired.come_up(A, "algo", &["quotes"]).parameters_json, r#"{"fast":3,"threshold":0.0}"#);
}

#[test]
fn parameters_that_a_backend_refuses_are_told_and_the_old_ones_go_on() {
    let mut wired = backend();
    let change = |settings: &mut v1::Settings| settings.parameters_json = r#"{"fast":0}"#.to_owned();
    wired.configure(2, change);
    wired.order(A);
    wired.report(A, Ok(reconfigured(&[], "fast: must be above 0")));
    let again = wired.configure(2, change);
    assert_eq!(reasons(&again), [("InvalidSettings", "parameters")]);
    assert_eq!((again.settings_generation, again.refusals[0].message.as_str()), (1, "fast: must be above 0"));
    let candidate = wired.account().candidate.unwrap();
    assert_eq!((candidate.address.as_str(), candidate.reason.as_str()), (A, "ParametersRefused"));
    wired.send(0..1);
    assert_eq!(wired.answer(A, ""), ["1"]);
    // What is in force already is taken at once.
    let reverted = wired.configure(3, |_| {});
    assert_eq!((reverted.effective_generation, reverted.refusals), (3, vec![]));
    assert_eq!(wired.account().candidate, None);
}

#[test]
fn parameters_beyond_the_schema_are_refused_and_hold_back_no_cash() {
    let mut wired = Wired::new(at(A, 1));
    wired.order(A);
    let schema = r#"{"properties":{"seed":true,"fast":{"type":"integer","minimum":1}}}"#;
    wired.report(A, Ok(BackendReply::Described(described_with("algo", "1.2.3", schema))));
    wired.order(A);
    wired.report(A, Ok(BackendReply::Initialized(initialized(&["quotes"]))));
    let response = wired.configure(2, |settings| {
        settings.parameters_json = r#"{"fast":0}"#.to_owned();
        settings.starting_cash = "12000".to_owned();
        settings.suspend = true;
    });
    assert_eq!(reasons(&response), [("InvalidSettings", "parameters.fast")]);
    assert_eq!((response.settings_generation, response.cash_generation), (1, 2));
    assert_eq!(wired.account().deposits, "12000.00");
    assert_eq!(wired.account().candidate.unwrap().reason, "ParametersRefused");
    wired.send(0..1);
    wired.answer(A, "");
    assert_eq!(wired.told().outcomes[0].ticks[0].reason, "Halted");
}

#[test]
fn backend_that_fails_at_reconfigure_is_tried_on_another_stream() {
    let mut wired = backend();
    wired.configure(2, |settings| settings.parameters_json = r#"{"fast":3}"#.to_owned());
    let old = wired.link(A);
    wired.order(A);
    wired.report(A, Err(BackendError::new(ConditionReason::Timeout, "late".to_owned())));
    assert_eq!(wired.links.len(), 2);
    let beside = wired.link(A);
    assert_ne!(beside, old);
    assert_eq!(wired.come_up(A, "algo", &["quotes"]).parameters_json, r#"{"fast":3,"threshold":0.0}"#);
    assert_eq!(wired.links.keys().copied().collect::<Vec<_>>(), [beside]);
    assert_eq!(wired.account().effective_generation, 2);
}

#[test]
fn parameters_given_up_while_the_backend_is_being_asked_never_decide() {
    for with_other in [false, true] {
        let mut wired = backend();
        wired.send(0..1);
        wired.answer(A, "s");
        wired.configure(2, |settings| settings.parameters_json = r#"{"fast":3}"#.to_owned());
        let LinkCommand::Reconfigure(_) = wired.order(A) else { panic!("Reconfigure") };
        // Asked, not answered, and by now something else is wanted.
        wired.configure(3, |settings| {
            if with_other {
                settings.parameters_json = r#"{"fast":9}"#.to_owned();
            }
        });
        let late = LinkEvent { attempt: 1, reply: Ok(reconfigured(&[], "")) };
        wired.bench.engine.on_link_event(wired.link(A), late, 1);
        wired.run();
        let request = wired.come_up(A, "algo", &["quotes"]);
        assert_eq!(
            request.parameters_json, r#"{"seed":1,"threshold":0.0}"#,
            "the stream begins anew with the old ones"
        );
        assert_eq!(&request.state[..], b"s");
        if with_other {
            assert_eq!(wired.account().effective_generation, 1);
            let LinkCommand::Reconfigure(asked) = wired.order(A) else { panic!("Reconfigure") };
            assert_eq!(asked.parameters_json, r#"{"fast":9,"threshold":0.0}"#);
            wired.report(A, Ok(reconfigured(&[], "")));
        }
        assert_eq!(wired.account().effective_generation, 3);
        wired.send(1..2);
        assert_eq!(wired.answer(A, "t"), ["2"]);
    }
}

#[test]
fn one_that_never_comes_up_leaves_the_old_one_deciding_and_says_why() {
    let mut wired = builtin();
    wired.move_to(A, 2);
    for (failure, reason, field) in [
        (
            BackendError::new(ConditionReason::Unreachable, "nobody".to_owned()),
            "BackendUnreachable",
            "algorithmAddress",
        ),
        (BackendError::new(ConditionReason::Timeout, "late".to_owned()), "BackendTimeout", "algorithmAddress"),
    ] {
        wired.order(A);
        wired.report(A, Err(failure));
        assert_eq!(reasons(&wired.move_to(A, 2)), [(reason, field)]);
        wired.send(0..1);
        assert_eq!(kinds(&wired.told()), [Kind::Decided]);
    }
    wired.describe(A, "algo");
    wired.order(A);
    wired.report(A, Ok(refusal("fast: is required")));
    let refused = wired.move_to(A, 2);
    assert_eq!(reasons(&refused), [("InvalidSettings", "parameters")]);
    assert_eq!(wired.account().candidate.unwrap().reason, "ParametersRefused");
    assert_eq!((wired.deciding().as_str(), wired.bench.engine.algorithm_condition()), ("random", None));
    // The same settings are no second attempt, others are.
    assert_eq!(wired.started.len(), 1);
}

#[test]
fn candidate_is_replaced_and_given_up_for_the_effective_settings() {
    let mut wired = builtin();
    wired.move_to(A, 2);
    wired.move_to(B, 3);
    assert_eq!(wired.links.values().map(|line| line.address.as_str()).collect::<Vec<_>>(), [B]);
    let older = wired.move_to(A, 2);
    assert_eq!(reasons(&older), [("OlderGeneration", "")]);
    let back = wired.configure(4, |_| {});
    assert_eq!((back.effective_generation, back.refusals, wired.links.len()), (4, vec![], 0));
    assert_eq!(wired.account().candidate, None);
}

#[test]
fn channels_are_subscribed_to_first_and_the_marker_divides_the_quotes() {
    let mut wired = builtin();
    wired.move_to(A, 2);
    wired.come_up(A, "algo", &["news"]);
    let both = vec!["quotes".to_owned(), "news".to_owned()];
    assert_eq!((wired.channels(), wired.deciding().as_str()), ((2, both), "random"));
    assert_eq!(reasons(&wired.move_to(A, 2)), [("Swapping", "algorithmAddress")]);
    wired.send_on("quotes", 0..1);
    wired.send_on("news", 1..2);
    assert_eq!(kinds(&wired.told()), [Kind::Decided, Kind::NotSubscribed]);
    // A marker of what was before says nothing.
    wired.mark(1);
    assert_eq!(wired.deciding(), "random");
    wired.mark(2);
    assert_eq!(wired.deciding(), "algo");
    assert_eq!(wired.channels(), (3, vec!["news".to_owned()]), "behind the marker its own channels alone");
    wired.send_on("quotes", 2..3);
    wired.send_on("news", 3..4);
    assert_eq!(wired.answer(A, ""), ["4"]);
    assert_eq!(kinds(&wired.told()), [Kind::NotSubscribed, Kind::Decided]);
    assert_eq!(wired.bench.engine.tally().count(counter::NOT_SUBSCRIBED), 2);
    wired.verify();
}

#[test]
fn marker_separates_the_quotes_of_the_active_one_and_the_candidate() {
    let mut wired = backend();
    wired.send(0..2);
    let batch = wired.batch(A);
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    wired.send(2..3);
    wired.mark(2);
    wired.send_on("news", 3..4);
    wired.send_on("quotes", 4..5);
    wired.report(A, Ok(BackendReply::Result(buys(&batch, ""))));
    assert_eq!(wired.answer(A, ""), ["3"]);
    assert_eq!(wired.deciding(), "other");
    assert_eq!(wired.answer(B, ""), ["4"]);
    assert_eq!(kinds(&wired.told()).len(), 5);
    assert_eq!(wired.bench.engine.tally().count(counter::NOT_SUBSCRIBED), 1);
}

#[test]
fn next_stream_brings_the_marker_that_an_ended_one_lost() {
    let mut wired = backend();
    wired.send(0..1);
    wired.batch(A);
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    wired.mark(2);
    assert_eq!(wired.deciding(), "algo", "a tick is outstanding");
    wired.reopen_stream();
    wired.report(A, Err(BackendError::new(ConditionReason::Timeout, "late".to_owned())));
    assert_eq!(wired.deciding(), "algo");
    wired.mark(2);
    wired.come_up(A, "algo", &["quotes"]);
    wired.answer(A, "");
    assert_eq!(wired.deciding(), "other");
}

#[test]
fn a_candidate_that_is_given_up_takes_its_channels_back() {
    let mut wired = builtin();
    wired.move_to(A, 2);
    wired.come_up(A, "algo", &["news"]);
    let back = wired.configure(3, |_| {});
    assert_eq!(back.effective_generation, 3);
    assert_eq!(wired.channels(), (3, vec!["quotes".to_owned()]));
    // The bridge was on its way.
    wired.mark(2);
    wired.send_on("news", 0..1);
    wired.send_on("quotes", 1..2);
    assert_eq!(kinds(&wired.told()), [Kind::NotSubscribed, Kind::Decided]);
}

#[test]
fn candidate_that_fails_behind_its_announcement_costs_no_quote() {
    let mut wired = backend();
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    let both = (2, vec!["quotes".to_owned(), "news".to_owned()]);
    assert_eq!(wired.channels(), both);
    for round in 0..5 {
        wired.fail(B);
        assert_eq!(wired.channels(), both, "the bridge gets no other channels");
        wired.send_on("quotes", round..round + 1);
        assert_eq!(wired.answer(A, ""), [(round + 1).to_string()]);
        // Its channels are subscribed to, and it does not decide yet.
        wired.send_on("news", 0..1);
        assert_eq!(kinds(&wired.told()), [Kind::Decided, Kind::NotSubscribed]);
        wired.describe(B, "other");
        let LinkCommand::Initialize(_) = wired.order(B) else { panic!("Initialize") };
        if round < 4 {
            continue;
        }
        wired.report(B, Ok(BackendReply::Initialized(initialized(&["news"]))));
    }
    assert_eq!((wired.channels(), wired.deciding()), (both, "algo".to_owned()));
    wired.mark(2);
    assert_eq!((wired.channels(), wired.deciding()), ((3, vec!["news".to_owned()]), "other".to_owned()));
    wired.verify();
}

#[test]
fn a_candidate_that_comes_back_with_other_channels_is_announced_once_more() {
    let mut wired = backend();
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    wired.fail(B);
    wired.come_up(B, "other", &["trades"]);
    assert_eq!(wired.channels(), (3, vec!["quotes".to_owned(), "trades".to_owned()]));
    wired.mark(2);
    assert_eq!(wired.deciding(), "algo", "that marker is of the channels before");
    wired.mark(3);
    assert_eq!((wired.channels(), wired.deciding()), ((4, vec!["trades".to_owned()]), "other".to_owned()));
}

#[test]
fn marked_candidate_that_failed_takes_over_at_once_when_it_returns() {
    let mut wired = backend();
    wired.send(0..1);
    wired.batch(A);
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    wired.mark(2);
    wired.report(A, Err(BackendError::new(ConditionReason::Timeout, "late".to_owned())));
    wired.fail(B);
    wired.come_up(A, "algo", &["quotes"]);
    assert_eq!(wired.answer(A, ""), ["1"]);
    assert_eq!(wired.deciding(), "algo");
    wired.come_up(B, "other", &["news"]);
    assert_eq!(wired.deciding(), "other");
}

#[test]
fn a_candidate_that_wants_less_takes_over_at_once_and_the_rest_is_left() {
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "algo", &["quotes", "news"]);
    wired.hold(&["quotes", "news"]);
    wired.mark(1);
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    assert_eq!((wired.channels(), wired.deciding()), ((2, vec!["news".to_owned()]), "other".to_owned()));
}

#[test]
fn active_one_that_changes_channels_keeps_those_of_the_candidate() {
    let mut wired = backend();
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    wired.fail(A);
    wired.come_up(A, "algo", &["trades"]);
    assert_eq!(wired.channels(), (3, vec!["trades".to_owned(), "news".to_owned()]));
    wired.send_on("quotes", 0..1);
    assert_eq!(wired.answer(A, ""), ["1"], "the bridge may still send quotes of the channels before");
    wired.mark(3);
    assert_eq!(wired.deciding(), "other");
}

#[test]
fn candidate_waits_for_no_marker_of_an_active_one_that_keeps_failing() {
    let mut wired = backend();
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["quotes", "news"]);
    wired.send(0..1);
    wired.batch(A);
    wired.fail(A);
    wired.fail(A);
    assert_eq!(wired.deciding(), "algo");
    wired.fail(A);
    assert_eq!(wired.deciding(), "other");
    assert_eq!(wired.answer(B, ""), ["1"]);
    // Its marker comes all the same.
    wired.mark(2);
    wired.send_on("news", 1..2);
    assert_eq!(wired.answer(B, ""), ["2"]);
    assert_eq!(kinds(&wired.told()), [Kind::Decided; 2]);
}

#[test]
fn a_runtime_without_a_bridge_does_not_wait_for_a_marker() {
    let mut wired = Wired::new(resource(1));
    wired.move_to(A, 2);
    wired.come_up(A, "algo", &["news"]);
    assert_eq!((wired.deciding().as_str(), wired.channels().1), ("algo", vec!["news".to_owned()]));
}

#[test]
fn channels_of_the_resource_are_the_same_for_whoever_decides() {
    let mut wired = Wired::new(Settings { subscribe: Some(vec!["mine".to_owned()]), ..resource(1) });
    wired.hold(&["mine"]);
    wired.mark(1);
    wired.move_to(A, 2);
    wired.come_up(A, "algo", &["other"]);
    assert_eq!((wired.deciding().as_str(), wired.channels()), ("algo", (1, vec!["mine".to_owned()])));
    wired.send_on("mine", 0..1);
    assert_eq!(wired.answer(A, ""), ["1"]);
}

#[test]
fn a_restart_in_the_middle_of_a_swap_finds_the_recorded_one_deciding() {
    let mut wired = builtin();
    wired.move_to(A, 2);
    wired.restart(at(A, 2));
    assert_eq!((wired.deciding().as_str(), wired.account().effective_generation), ("random", 1));
    assert_eq!(wired.account().candidate.unwrap().address, A);
    let delivery = wired.send(0..1);
    assert_eq!(kinds(&wired.told()), [Kind::Decided]);
    // The operator repeats itself.
    assert_eq!(reasons(&wired.move_to(A, 2)), [("Swapping", "algorithmAddress")]);
    assert_eq!(wired.started.len(), 2, "one attempt in each process");
    wired.come_up(A, "algo", &["quotes"]);
    assert_eq!(wired.account().effective_generation, 2);
    wired.take(&[delivery]);
    assert_eq!(wired.told().outcomes[0].ticks[0].seen_by(), SeenBy::Number);
    // An old file does not bring the one before back.
    wired.restart(resource(1));
    assert_eq!(wired.account().backend.unwrap().address, A);
}

#[test]
fn restart_during_a_swap_to_other_channels_loses_no_quote() {
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "algo", &["news"]);
    wired.hold(&["news"]);
    wired.mark(1);
    let delivery = wired.send_on("news", 0..1);
    wired.batch(A);
    wired.restart(resource(2));
    wired.take(&[delivery]);
    assert_eq!(wired.channels().0, 0, "nothing is left before the old one has named its channels");
    assert!(wired.told().outcomes.is_empty(), "the quote of before is the old one's");
    wired.come_up(A, "algo", &["news"]);
    assert_eq!(wired.channels(), (1, vec!["news".to_owned(), "quotes".to_owned()]));
    assert_eq!(wired.answer(A, ""), ["1"]);
    wired.mark(1);
    assert_eq!(wired.deciding(), "random");
    wired.send_on("quotes", 1..2);
    assert_eq!(kinds(&wired.told()), [Kind::Decided, Kind::Decided]);
}

#[test]
fn the_threshold_of_a_backend_is_given_to_it_like_a_parameter() {
    let mut wired = backend();
    wired.configure(2, |settings| settings.threshold = "0.25".to_owned());
    let LinkCommand::Reconfigure(asked) = wired.order(A) else { panic!("Reconfigure") };
    assert_eq!(asked.parameters_json, r#"{"seed":1,"threshold":0.25}"#);
}

#[test]
fn cash_and_suspension_apply_during_a_swap_and_survive_it() {
    let mut wired = builtin();
    wired.move_to(A, 2);
    let response = wired.configure(3, |settings| {
        settings.algorithm.clear();
        settings.algorithm_address = A.to_owned();
        settings.starting_cash = "12345".to_owned();
        settings.suspend = true;
    });
    assert_eq!((response.settings_generation, response.cash_generation), (1, 3));
    wired.send(0..1);
    assert_eq!(wired.told().outcomes[0].ticks[0].reason, "Halted");
    wired.come_up(A, "algo", &["quotes"]);
    assert_eq!((wired.account().effective_generation, wired.account().deposits.as_str()), (3, "12345.00"));
    wired.send(1..2);
    wired.answer(A, "");
    assert_eq!(wired.told().outcomes[0].ticks[0].reason, "Halted");
    wired.restart(at(A, 2));
    assert_eq!(wired.account().trading.unwrap().state(), v1::TradingState::Halted);
    assert_eq!(wired.account().deposits, "12345.00");
}

#[test]
fn swap_pause_is_measured_from_the_last_outcome_while_quotes_wait() {
    let mut wired = backend();
    wired.send(0..1);
    wired.answer(A, "");
    wired.now = 10_000;
    wired.send(1..2);
    wired.batch(A);
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["quotes"]);
    assert!(wired.bench.engine.take_swap_pauses().is_empty());
    wired.now = 50_000;
    wired.report(A, Err(BackendError::new(ConditionReason::Timeout, "late".to_owned())));
    wired.now = 70_000;
    wired.answer(B, "");
    let pauses = wired.bench.engine.take_swap_pauses();
    assert_eq!(pauses.len(), 1);
    assert!((59_000..61_000).contains(&pauses[0].as_micros()), "{pauses:?}");
    // A swap at which nothing waits has no pause.
    wired.move_to(A, 3);
    wired.come_up(A, "algo", &["quotes"]);
    wired.send(2..3);
    wired.answer(A, "");
    assert!(wired.bench.engine.take_swap_pauses().is_empty());
}
