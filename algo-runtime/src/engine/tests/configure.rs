//! Settings: whose word counts, what is refused, and that nothing is written without need.

use intuition_api::{
    refusal,
    v1::{AccountResponse, ConfigureRequest, ConfigureResponse},
};

use super::*;
use crate::ledger::Retention;

impl Bench {
    /// The request of a generation whose resource says `change` beyond the settings of the start.
    pub(super) fn request(&self, generation: i64, change: impl FnOnce(&mut v1::Settings)) -> ConfigureRequest {
        let live = &self.settings.live;
        let mut settings = v1::Settings {
            algorithm: live.algorithm.fields().0.to_owned(),
            threshold: live.threshold.to_string(),
            parameters_json: serde_json::to_string(&live.parameters).unwrap(),
            starting_cash: live.starting_cash.clone(),
            suspend: false,
            algorithm_address: live.algorithm.fields().1.to_owned(),
        };
        change(&mut settings);
        let (account, resource_uid) = (ACCOUNT.to_owned(), "u-1".to_owned());
        ConfigureRequest { account, resource_uid, generation, settings: Some(settings), ..ConfigureRequest::default() }
    }

    pub(super) fn configure(&mut self, generation: i64, change: impl FnOnce(&mut v1::Settings)) -> ConfigureResponse {
        let request = self.request(generation, change);
        let response = self.engine.configure(&request, 2_000);
        self.commit();
        response
    }
}

fn only_reason(response: &ConfigureResponse) -> &str {
    assert_eq!(response.refusals.len(), 1, "{response:?}");
    &response.refusals[0].reason
}

#[test]
fn suspension_denies_every_signal_and_the_algorithm_still_sees_quotes() {
    let mut bench = Bench::new(resource(1));
    assert!(bench.configure(2, |settings| settings.suspend = true).refusals.is_empty());
    let committed = bench.send(vec![quote("1")]);
    assert_eq!(committed.outcomes[0].ticks[0].reason, "Halted");
    bench.configure(3, |_| {});
    let resumed = bench.send(vec![quote("1")]);
    assert_eq!(kinds(&resumed), [Kind::Decided]);
}

#[test]
fn configure_takes_only_its_own_resource_forward() {
    let mut by_flags = Bench::new(eager());
    assert_eq!(only_reason(&by_flags.configure(2, |_| {})), refusal::NO_UID);
    let mut bench = Bench::new(resource(2));
    assert_eq!(only_reason(&bench.configure(1, |_| {})), refusal::OLDER_GENERATION);
    let invalid = bench.configure(3, |s| s.parameters_json = r#"{"threshold":1}"#.to_owned());
    assert_eq!(only_reason(&invalid), refusal::INVALID_SETTINGS);
    assert_eq!(invalid.refusals[0].field, "parameters.threshold");
    assert_eq!(invalid.effective_generation, 2);
    let taken = bench.configure(3, |s| s.threshold = "1".to_owned());
    assert_eq!((taken.effective_generation, taken.refusals.len()), (3, 0));
    assert_eq!(kinds(&bench.send(vec![quote("1")])), [Kind::NoSignal]);
}

#[test]
fn a_refused_withdrawal_holds_back_nothing_but_itself() {
    let mut bench = Bench::new(resource(1));
    bench.send(vec![quote("1")]);
    let refused = bench.configure(2, |s| {
        s.starting_cash = "1000".to_owned();
        s.threshold = "1".to_owned();
    });
    assert_eq!(only_reason(&refused), refusal::INSUFFICIENT_CASH);
    assert_eq!((refused.effective_generation, refused.settings_generation, refused.cash_generation), (1, 2, 1));
    assert_eq!(kinds(&bench.send(vec![quote("1")])), [Kind::NoSignal]);
    let raised = bench.configure(3, |s| s.starting_cash = "12000.50".to_owned());
    assert_eq!(raised.effective_generation, 3);
    assert_eq!(bench.engine.account().deposits, "12000.50");
    assert_eq!(bench.engine.account().cash, "7000.50");
}

#[test]
fn a_restart_deposits_nothing_twice_and_the_newer_settings_rule() {
    let mut bench = Bench::new(resource(1));
    bench.configure(4, |s| s.starting_cash = "500".to_owned());
    bench.restart(resource(1));
    assert_eq!(bench.engine.account().cash, "500.00");
    assert_eq!(bench.engine.account().effective_generation, 4);
    bench.restart(resource(5));
    assert_eq!(bench.engine.account().cash, "10000.00");
    assert_eq!(bench.engine.account().effective_generation, 5);
}

#[test]
fn algorithm_with_unusable_parameters_leaves_the_previous_one_active() {
    let mut bench = Bench::new(resource(1));
    for (algorithm, parameters, field) in
        [("rnd", "{}", "algorithm"), ("sma-crossover", r#"{"fast":0}"#, "parameters.fast")]
    {
        let response = bench.configure(2, |settings| {
            settings.algorithm = algorithm.to_owned();
            settings.parameters_json = parameters.to_owned();
        });
        assert_eq!((only_reason(&response), response.refusals[0].field.as_str()), (refusal::INVALID_SETTINGS, field));
        assert_eq!(response.effective_generation, 1);
    }
}

#[test]
fn effective_settings_change_nothing_and_a_newer_generation_is_recorded() {
    let mut bench = Bench::new(resource(1));
    bench.send(vec![quote("1")]);
    for (generation, is_recorded) in [(1, false), (2, true), (2, false)] {
        let before = bench.engine.account();
        let request = bench.request(generation, |_| {});
        assert_eq!(bench.engine.configure(&request, 9_000).effective_generation, generation);
        let changes = bench.engine.take_changes();
        assert_eq!(changes.is_some(), is_recorded, "{changes:?}");
        assert_eq!(bench.engine.account(), AccountResponse { effective_generation: generation, ..before });
    }
}

#[test]
fn a_start_with_what_is_recorded_writes_nothing() {
    let mut bench = Bench::new(resource(1));
    bench.configure(2, |settings| settings.threshold = "1".to_owned());
    let mut engine = Engine::start(bench.ledger.snapshot().unwrap(), &resource(1), bench.sizes, SEED, 9_000).unwrap();
    assert_eq!(engine.take_changes(), None);
}

#[test]
fn refused_withdrawal_is_retried_by_each_configure_of_its_generation() {
    let mut bench = Bench::new(resource(1));
    let lower = |settings: &mut v1::Settings| settings.starting_cash = "4000".to_owned();
    bench.send(vec![quote("1")]);
    for is_recorded in [true, false] {
        let request = bench.request(2, lower);
        let refused = bench.engine.configure(&request, 9_000);
        assert_eq!(only_reason(&refused), refusal::INSUFFICIENT_CASH);
        assert_eq!((refused.settings_generation, refused.cash_generation), (2, 1));
        assert_eq!(bench.engine.take_changes().is_some(), is_recorded);
    }
    bench.engine.accounting.book_mut().sell("GOOG", "1".parse().unwrap(), None).unwrap();
    let request = bench.request(2, lower);
    let taken = bench.engine.configure(&request, 9_000);
    assert_eq!((taken.effective_generation, taken.refusals), (2, vec![]));
    assert_eq!(bench.engine.account().deposits, "4000.00");
}

#[test]
fn unusable_file_leaves_the_recorded_settings_and_generation_effective() {
    let mut bench = Bench::new(resource(1));
    bench.configure(2, |settings| settings.threshold = "1".to_owned());
    let mut wrong = resource(3);
    wrong.live.threshold = 7.5;
    bench.restart(wrong.clone());
    assert_eq!(bench.engine.account().effective_generation, 2);
    assert_eq!(kinds(&bench.send(vec![quote("1")])), [Kind::NoSignal]);
    let refused = bench.configure(3, |_| {});
    assert_eq!((only_reason(&refused), refused.refusals[0].field.as_str()), (refusal::INVALID_SETTINGS, "threshold"));
    assert_eq!(refused.effective_generation, 2);
    // Another resource's record does not help.
    wrong.source = SettingsSource::Resource { uid: "u-2".to_owned(), generation: 1 };
    assert!(Engine::start(bench.ledger.snapshot().unwrap(), &wrong, bench.sizes, SEED, 0).is_err());
}

#[test]
fn retention_of_configure_is_recorded_and_outlasts_a_restart() {
    let limits = v1::Retention { decisions: Some(20_000), age_seconds: Some(86_400) };
    let mut bench = Bench::new(resource(1));
    assert_eq!((bench.engine.retention(), bench.engine.account().retention), (None, None), "no file has it");
    let request = ConfigureRequest { retention: Some(limits), ..bench.request(1, |_| {}) };
    assert_eq!(bench.engine.configure(&request, 2_000).refusals, []);
    bench.commit();
    let recorded = Some(Retention { decisions: Some(20_000), age_seconds: Some(86_400) });
    // The file of the same generation, a later one, and one of another algorithm that does not answer.
    let mut other = resource(3);
    other.live.algorithm = AlgorithmRef::from_fields("", "http://127.0.0.1:9").unwrap();
    for settings in [resource(1), resource(2), other] {
        bench.restart(settings);
        assert_eq!((bench.engine.retention(), bench.engine.account().retention), (recorded, Some(limits)));
    }
    bench.restart(resource(3));
    let request = bench.request(3, |_| {});
    bench.engine.configure(&request, 2_000);
    assert_eq!(bench.engine.retention(), None, "everything is kept again");
    let request = ConfigureRequest { retention: Some(v1::Retention::default()), ..request };
    bench.engine.configure(&request, 2_000);
    assert_eq!(bench.engine.retention(), None, "without a limit nothing may go");
}

#[test]
fn nothing_may_be_dropped_while_the_journal_is_damaged() {
    let mut settings = eager();
    settings.live.retention = Some(Retention { decisions: Some(1), age_seconds: None });
    let mut bench = Bench::new(settings);
    assert!(bench.engine.retention().is_some(), "by flags");
    bench.engine.take_verification(Some("journal entry 3 is missing"), 1);
    assert_eq!(bench.engine.retention(), None);
    bench.engine.take_verification(None, 2);
    assert!(bench.engine.retention().is_some());
}
