//! The built-in algorithm of indicators in an account.

use intuition_api::{refusal, v1::Joined};

use super::*;

const INDICATOR: &str = "default/indicator.trend";

fn with_parameters(parameters: &Value) -> Settings {
    let policy = Policy::from_parts("fixed-fraction", Some(0.5), None).unwrap();
    let mut settings = Settings { account: INDICATOR.to_owned(), ..settings("indicators", parameters, policy) };
    settings.live.starting_cash = "0".to_owned();
    settings
}

fn averages() -> Value {
    json!({"compute": [
        {"name": "sma", "type": "SMA", "parameters": {"period": 2}},
        {"name": "ema", "type": "EMA", "parameters": {"period": 2}},
    ]})
}

fn minute_bars() -> Value {
    let mut parameters = averages();
    parameters["bars"] = json!({"interval": "1m"});
    parameters
}

fn at(seq: i64, price: &str, seconds: i64) -> Tick {
    let mut tick = numbered(seq, price);
    if let Some(Content::Quote(quote)) = &mut tick.content {
        quote.time_micros = seconds * 1_000_000;
    }
    tick
}

/// The messages of a commit on one line each: source, number, price, and the indicators.
fn lines(committed: &v1::Committed) -> Vec<String> {
    let line = |entry: &v1::OutboxEntry| {
        let Some(outbox_entry::Content::Joined(Joined { indicators, quote, source, seq, .. })) = &entry.content else {
            panic!("{entry:?}")
        };
        let values = indicators.iter().map(|indicator| format!(" {}={}", indicator.name, indicator.values[0].value));
        let price = &quote.as_ref().unwrap().price;
        format!("{source}/{} {price}{}", seq.unwrap(), values.collect::<String>())
    };
    committed.entries.iter().map(line).collect()
}

#[test]
fn quotes_go_out_with_their_values_over_any_restart() {
    let prices = ["10", "12", "11", "17"];
    let expected = ["feed/0 10", "feed/1 12 sma=11 ema=11", "feed/2 11 sma=11.5 ema=11", "feed/3 17 sma=14 ema=15"];
    for restarts in [false, true] {
        let mut bench = Bench::on_disk(with_parameters(&averages()));
        for (seq, (price, expected)) in (0..).zip(prices.into_iter().zip(expected)) {
            assert_eq!(lines(&bench.send(vec![at(seq, price, seq)])), [expected], "restarts: {restarts}");
            if restarts {
                bench.restart(with_parameters(&averages()));
            }
        }
    }
}

#[test]
fn open_bar_outlives_a_restart_and_late_quotes_are_counted() {
    let mut bench = Bench::on_disk(with_parameters(&minute_bars()));
    assert!(lines(&bench.send(vec![at(1, "10", 0), at(2, "14", 59)])).is_empty());
    bench.restart(with_parameters(&minute_bars()));
    let closed = bench.send(vec![at(3, "11", 61)]);
    assert_eq!(lines(&closed), ["default/indicator.trend:GOOG/0 14"]);
    let late = bench.send(vec![at(4, "99", 59), at(5, "1", 0)]);
    assert_eq!((kinds(&late), late.entries.len()), (vec![Kind::NoSignal; 2], 0));
    assert_eq!(bench.engine.tally().count(counter::LATE), 2);
    bench.restart(with_parameters(&minute_bars()));
    assert_eq!(bench.engine.tally().count(counter::LATE), 2);
    let closed = bench.send(vec![at(6, "12", 300)]);
    assert_eq!(lines(&closed), ["default/indicator.trend:GOOG/1 11 sma=12.5 ema=12.5"]);
}

#[test]
fn other_settings_leave_the_state_of_the_indicators_that_stay() {
    let resource = |generation| {
        let source = SettingsSource::Resource { uid: "u-1".to_owned(), generation };
        Settings { source, ..with_parameters(&averages()) }
    };
    let mut bench = Bench::on_disk(resource(1));
    bench.send(vec![at(1, "10", 0), at(2, "12", 1)]);
    let next = json!({"compute": [
        {"name": "change", "type": "ROC", "parameters": {"period": 1}},
        {"name": "sma", "type": "SMA", "parameters": {"period": 2}},
    ]});
    let mut request = bench.request(2, |settings| settings.parameters_json = next.to_string());
    request.account = INDICATOR.to_owned();
    assert_eq!(bench.engine.configure(&request, 2_000).refusals, []);
    bench.commit();
    assert_eq!(lines(&bench.send(vec![at(3, "14", 2)])), ["feed/3 14 sma=13"]);
    bench.restart(resource(1));
    assert_eq!(lines(&bench.send(vec![at(4, "21", 3)])), ["feed/4 21 change=50 sma=17.5"]);
}

#[test]
fn settings_with_violations_are_refused_by_their_paths() {
    let source = SettingsSource::Resource { uid: "u-1".to_owned(), generation: 1 };
    let mut bench = Bench::on_disk(Settings { source, ..with_parameters(&averages()) });
    let next = json!({"compute": [{"name": "rsi", "type": "RSI", "parameters": {"period": 0}}]});
    let mut request = bench.request(2, |settings| settings.parameters_json = next.to_string());
    request.account = INDICATOR.to_owned();
    let refusals = bench.engine.configure(&request, 2_000).refusals;
    assert_eq!(refusals[0].field, "compute[0].parameters.period");
    assert_eq!(refusals[0].message, "must be a whole number from 1 to 10000, is 0");
}

#[test]
fn trading_account_cannot_have_it() {
    let sentence = "`indicators` is the algorithm of the resource `Indicator`";
    let settings = Settings { account: ACCOUNT.to_owned(), ..with_parameters(&averages()) };
    let snapshot = MemoryLedger::with_sizes(ACCOUNT, "3f9c2a71", Sizes::default()).snapshot().unwrap();
    let error = Engine::start(snapshot, &settings, Sizes::default(), SEED, 0).err().unwrap();
    assert!(intuition_common::exit::with_causes(&error).contains(sentence), "{error}");
    let mut bench = Bench::new(resource(1));
    let response = bench.configure(2, |settings| {
        settings.algorithm = "indicators".to_owned();
        settings.parameters_json = averages().to_string();
    });
    let refused = &response.refusals[0];
    assert_eq!(
        (refused.reason.as_str(), refused.field.as_str(), refused.message.as_str()),
        (refusal::INVALID_SETTINGS, "algorithm", sentence)
    );
    assert_eq!(kinds(&bench.send(vec![quote("1")])), [Kind::Decided], "the previous algorithm goes on");
}
