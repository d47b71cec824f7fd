//! The trading state: a refusal, a restart or a pending swap loses no stop.

use intuition_api::v1::{SetTradingStateRequest, SetTradingStateResponse, TradingCause, TradingState, outbox_entry};

use super::{far::*, *};
use crate::{
    backend::BackendReply,
    settings::{InitialTrading, from_record},
    trading::Document,
};

use TradingState::{Active, Halted, Reducing};

fn cause(code: &str, state: TradingState) -> TradingCause {
    TradingCause { cause: code.to_owned(), state: state.into(), message: "ann: \"why\"".to_owned(), since_micros: 0 }
}

fn call(generation: i64, from: Option<u64>, causes: &[TradingCause]) -> SetTradingStateRequest {
    SetTradingStateRequest {
        account: ACCOUNT.to_owned(),
        resource_uid: "u-1".to_owned(),
        generation,
        from,
        causes: causes.to_vec(),
    }
}

fn set(bench: &mut Bench, request: &SetTradingStateRequest) -> SetTradingStateResponse {
    let response = bench.engine.set_trading_state(request, 3_000).unwrap();
    bench.commit();
    response
}

fn state(bench: &Bench) -> TradingState {
    bench.engine.account().trading.unwrap().state()
}

fn reason(response: &SetTradingStateResponse) -> &str {
    response.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str())
}

fn reasons(committed: &v1::Committed) -> Vec<&str> {
    committed.outcomes.iter().flat_map(|outcome| &outcome.ticks).map(|tick| tick.reason.as_str()).collect()
}

/// Whether the recorded settings have `suspend: true`, which v0.1.0 obeys.
fn v010_is_halted(bench: &mut Bench) -> bool {
    let record = bench.ledger.snapshot().unwrap().settings.unwrap();
    assert!(from_record(&record.settings_json).is_some(), "{}", record.settings_json);
    record.suspends()
}

/// The settings that a process uses to take the ledger up again after a failed commit.
fn recovering(settings: Settings) -> Settings {
    Settings { initial: Initial { trading: InitialTrading::Recorded, ..settings.initial.clone() }, ..settings }
}

fn with_file(generation: i64, causes: &[TradingCause]) -> Settings {
    let causes = crate::trading::requested_causes(causes).unwrap();
    let document = Document { resource_uid: "u-1".to_owned(), generation, causes };
    let initial = Initial { trading: InitialTrading::File(document), ..Initial::default() };
    Settings { initial, ..resource(generation) }
}

#[test]
fn suspend_counts_whatever_else_the_message_is_refused_for() {
    type Change = fn(&mut v1::Settings);
    let changes: [(&str, i64, Change); 4] = [
        ("OlderGeneration", 1, |_| {}),
        ("InvalidSettings", 3, |settings| settings.parameters_json = r#"{"sead":7}"#.to_owned()),
        ("InvalidSettings", 3, |settings| settings.algorithm.clear()),
        ("InvalidSettings", 3, |settings| settings.starting_cash = "1e4".to_owned()),
    ];
    for (expected, generation, change) in changes {
        let mut bench = Bench::on_disk(resource(2));
        let response = bench.configure(generation, |settings| {
            change(settings);
            settings.suspend = true;
        });
        assert_eq!(response.refusals[0].reason, expected);
        assert_eq!(response.effective_generation, 2);
        assert_eq!(reasons(&bench.send(vec![quote("1")])), ["Halted"]);
        assert!(v010_is_halted(&mut bench));
        bench.restart(resource(2));
        assert_eq!(state(&bench), Halted);
    }
}

#[test]
fn settings_of_another_resource_stop_nothing() {
    let mut bench = Bench::new(resource(2));
    let mut request = bench.request(3, |settings| settings.suspend = true);
    request.resource_uid = "u-2".to_owned();
    assert_eq!(bench.engine.configure(&request, 1).refusals[0].reason, "OtherUid");
    assert_eq!((state(&bench), bench.engine.take_changes()), (Active, None));
}

#[test]
fn restart_and_recovery_keep_a_stop_and_the_cash_during_a_swap() {
    for recovers in [false, true] {
        let mut wired = Wired::new(resource(1));
        wired.hold(&["quotes"]);
        wired.mark(1);
        wired.move_to(A, 2);
        wired.configure(3, |settings| {
            settings.algorithm.clear();
            settings.algorithm_address = A.to_owned();
            settings.starting_cash = "12345".to_owned();
            settings.suspend = true;
        });
        let entries = wired.bench.engine.accounting.totals(&wired.bench.engine.outbox).entries;
        wired.restart(if recovers { recovering(resource(1)) } else { resource(1) });
        let account = wired.account();
        assert_eq!(
            (account.deposits.as_str(), wired.bench.engine.accounting.totals(&wired.bench.engine.outbox).entries),
            ("12345.00", entries)
        );
        assert_eq!(account.trading.unwrap().state(), Halted);
        wired.send(0..1);
        assert_eq!(reasons(&wired.told()), ["Halted"]);
        // Settings that are older than the cash may come once more. They move no cash.
        let response = wired.configure(2, |_| {});
        assert_eq!((response.settings_generation, response.cash_generation), (2, 3));
        assert_eq!((wired.account().deposits.as_str(), state(&wired.bench)), ("12345.00", Halted));
        wired.restart(resource(2));
        assert_eq!((wired.account().deposits.as_str(), state(&wired.bench)), ("12345.00", Halted));
        wired.verify();
    }
}

#[test]
fn batch_that_is_out_while_the_account_is_halted_books_nothing() {
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    wired.send(0..2);
    let batch = wired.batch(A);
    assert_eq!(reason(&set(&mut wired.bench, &call(1, None, &[cause("Halt", Halted)]))), "");
    wired.report(A, Ok(BackendReply::Result(buys(&batch, "warm"))));
    assert_eq!(reasons(&wired.told()), ["Halted", "Halted"]);
    assert_eq!((wired.account().decisions, wired.saved("algo").unwrap()), (0, b"warm".to_vec()));
    // Another algorithm takes over; the stop stays.
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["quotes"]);
    wired.send(2..3);
    wired.answer(B, "");
    assert_eq!((wired.deciding().as_str(), reasons(&wired.told())), ("other", vec!["Halted"]));
    wired.verify();
}

#[test]
fn reducing_denies_buys_and_books_sales() {
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    wired.send(0..1);
    wired.answer(A, "");
    wired.told();
    set(&mut wired.bench, &call(1, Some(0), &[cause("Reduce", Reducing)]));
    wired.send(1..3);
    let batch = wired.batch(A);
    let answer = result(&batch, "", |event| if event == 2 { vec![buy(2)] } else { vec![sell(3, "")] });
    wired.report(A, Ok(BackendReply::Result(answer)));
    let told = wired.told();
    assert_eq!((kinds(&told), reasons(&told)), (vec![Kind::Denied, Kind::Decided], vec!["Reducing", ""]));
    let Some(outbox_entry::Content::Decision(decision)) = &told.entries[0].content else { panic!("a decision") };
    assert_eq!((decision.side(), decision.origin.as_str()), (v1::Side::Sell, ""));
    assert!(v010_is_halted(&mut wired.bench), "v0.1.0 does not know Reducing");
    wired.verify();
}

#[test]
fn calls_are_judged_by_uid_generation_and_number() {
    let mut bench = Bench::on_disk(resource(3));
    let halt = [cause("Halt", Halted)];
    let other = SetTradingStateRequest { resource_uid: "u-2".to_owned(), ..call(9, Some(0), &halt) };
    assert_eq!(reason(&set(&mut bench, &other)), "OtherUid");
    assert_eq!(state(&bench), Active);
    let taken = set(&mut bench, &call(3, Some(0), &halt)).trading.unwrap();
    assert_eq!((taken.number, taken.generation, taken.causes[0].since_micros), (1, 3, 3_000));
    let older = set(&mut bench, &call(2, Some(1), &[]));
    assert_eq!((reason(&older), older.trading.as_ref().unwrap().state()), ("OlderGeneration", Halted));
    assert_eq!(reason(&set(&mut bench, &call(3, Some(0), &[]))), "OtherNumber");
    assert_eq!(reason(&set(&mut bench, &call(4, None, &[]))), "OtherNumber");
    bench.restart(resource(3));
    assert_eq!(state(&bench), Halted);
    let lifted = set(&mut bench, &call(3, Some(1), &[])).trading.unwrap();
    assert_eq!((lifted.state(), lifted.number), (Active, 2));
    assert!(!v010_is_halted(&mut bench));
    assert_eq!(kinds(&bench.send(vec![quote("1")])), [Kind::Decided]);
    let malformed = call(3, Some(2), &[cause("MaxDrawdown", Halted)]);
    assert!(matches!(bench.engine.set_trading_state(&malformed, 1), Err(RequestError::BreakContract(_))));
    assert_eq!(bench.engine.take_changes(), None, "repetitions and refusals write nothing");
}

#[test]
fn commit_that_fails_takes_the_state_back() {
    let mut bench = Bench::on_disk(resource(1));
    set(&mut bench, &call(1, Some(0), &[cause("Halt", Halted)]));
    bench.engine.set_trading_state(&call(1, Some(1), &[]), 4_000).unwrap();
    assert_eq!(state(&bench), Active);
    drop(bench.engine.take_changes());
    bench.restart(recovering(resource(1)));
    assert_eq!(state(&bench), Halted);
    assert_eq!(reasons(&bench.send(vec![quote("1")])), ["Halted"]);
}

#[test]
fn suspend_false_ends_what_suspend_true_began_and_nothing_else() {
    let mut bench = Bench::on_disk(resource(1));
    bench.configure(2, |settings| settings.suspend = true);
    bench.configure(3, |_| {});
    assert_eq!(state(&bench), Active);
    let number = bench.engine.trading.number();
    set(&mut bench, &call(3, Some(number), &[cause("User", Halted)]));
    bench.configure(4, |_| {});
    assert_eq!(state(&bench), Halted);
    // A file of the start that is not newer ends nothing either.
    let mut bench = Bench::on_disk(resource(1));
    bench.configure(2, |settings| settings.suspend = true);
    bench.restart(resource(2));
    assert_eq!(state(&bench), Halted);
    bench.restart(resource(3));
    assert_eq!(state(&bench), Active);
}

#[test]
fn file_of_the_start_counts_by_its_generation() {
    let mut bench = Bench::on_disk(with_file(2, &[cause("User", Halted)]));
    assert_eq!((state(&bench), bench.engine.trading.generation()), (Halted, 2));
    set(&mut bench, &call(2, Some(1), &[]));
    bench.restart(with_file(1, &[cause("User", Halted)]));
    assert_eq!(state(&bench), Active, "a late file");
    bench.restart(recovering(with_file(2, &[cause("User", Halted)])));
    assert_eq!(state(&bench), Active, "no start");
    bench.restart(with_file(2, &[cause("Reduce", Reducing)]));
    assert_eq!(state(&bench), Reducing);
    bench.restart(with_file(3, &[]));
    assert_eq!(state(&bench), Active);
    // `suspend` beside a file of the same generation is there for v0.1.0.
    let mut reducing = with_file(4, &[cause("Reduce", Reducing)]);
    reducing.live.suspend = true;
    bench.restart(reducing);
    assert_eq!(state(&bench), Reducing);
    let mut suspended = with_file(4, &[]);
    suspended.source = SettingsSource::Resource { uid: "u-1".to_owned(), generation: 5 };
    suspended.live.suspend = true;
    bench.restart(suspended);
    assert_eq!((state(&bench), bench.engine.trading.generation()), (Halted, 5));
}

#[test]
fn flags_rule_at_every_start_and_leave_what_a_person_set() {
    let by_flags = |state| {
        let initial = Initial { trading: InitialTrading::Flags(state), ..Initial::default() };
        Settings { initial, ..eager() }
    };
    let mut bench = Bench::on_disk(by_flags(Halted));
    assert_eq!(state(&bench), Halted);
    let person = SetTradingStateRequest { resource_uid: String::new(), ..call(0, None, &[cause("Reduce", Reducing)]) };
    assert_eq!(reason(&set(&mut bench, &person)), "OtherNumber", "the cause User is not named and stays");
    bench.restart(recovering(by_flags(Halted)));
    assert_eq!(state(&bench), Halted);
    bench.restart(by_flags(Active));
    assert_eq!(state(&bench), Reducing);
    let mut suspended = by_flags(Active);
    suspended.live.suspend = true;
    bench.restart(suspended);
    assert_eq!(state(&bench), Halted);
}

#[test]
fn cash_that_is_left_open_stays_as_it_is() {
    let open =
        |settings: Settings| Settings { initial: Initial { cash_unchanged: true, ..Initial::default() }, ..settings };
    let mut bench = Bench::on_disk(open(resource(1)));
    assert_eq!(bench.engine.account().deposits, "10000.00", "the first start");
    bench.configure(2, |settings| settings.starting_cash = "500".to_owned());
    bench.restart(open(resource(3)));
    assert_eq!((bench.engine.account().deposits.as_str(), bench.engine.account().effective_generation), ("500.00", 3));
    let mut request = bench.request(4, |settings| settings.starting_cash = "7000".to_owned());
    request.starting_cash_unchanged = true;
    assert_eq!(bench.engine.configure(&request, 1).cash_generation, 4);
    bench.commit();
    assert_eq!(bench.engine.account().deposits, "500.00");
    let record = bench.ledger.snapshot().unwrap().settings.unwrap();
    assert_eq!(from_record(&record.settings_json).unwrap().starting_cash, "500.00", "v0.1.0 moves nothing either");
    let mut by_flags = Bench::on_disk(eager());
    by_flags
        .restart(open(Settings { live: LiveSettings { starting_cash: "7".to_owned(), ..eager().live }, ..eager() }));
    assert_eq!(by_flags.engine.account().deposits, "10000.00");
}
