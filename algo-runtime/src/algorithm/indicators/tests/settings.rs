//! Settings, and their changes while the account runs.

use serde_json::{Value, json};

use super::*;

fn sma_and_ema(sma: u32, ema: u32) -> Value {
    json!({"compute": [
        {"name": "sma", "type": "SMA", "parameters": {"period": sma}},
        {"name": "ema", "type": "EMA", "parameters": {"period": ema}},
    ]})
}

#[test]
fn settings_that_cannot_be_used_are_refused_by_their_paths() {
    let settings = json!({
        "compute": [{"name": "a", "type": "VWAP"}, {"name": "b", "type": "SMA"}, {"name": "c", "type": "RSI", "parameters": {"period": 0}}],
        "bars": {"interval": "1s"},
    });
    let errors = BUILTIN.initialize(&parameters(&settings), &SavedState::new(), 1).err().unwrap();
    let fields: Vec<String> = errors.into_iter().map(|error| error.field).collect();
    assert_eq!(fields, ["bars.interval", "compute[1].parameters.period", "compute[2].parameters.period"]);
}

#[test]
fn settings_that_are_refused_leave_the_old_ones() {
    let mut algorithm = start(&sma_and_ema(1, 1), &SavedState::new());
    assert!(algorithm.reconfigure(&parameters(&json!({"compute": []}))).is_err());
    assert_eq!(lines(algorithm.as_mut(), &[quote("GOOG", "3", 1)]), ["GOOG/sma@1 value=3; GOOG/ema@1 value=3"]);
}

#[test]
fn indicators_with_the_same_definition_go_on_and_the_others_begin_anew() {
    let mut algorithm = start(&sma_and_ema(2, 2), &SavedState::new());
    algorithm.decide(&[quote("GOOG", "1", 1), quote("GOOG", "3", 2)]);
    // The order differs, `average` had another name, `change` is new, and `ema` has another period.
    let settings = json!({"compute": [
        {"name": "ema", "type": "EMA", "parameters": {"period": 3}},
        {"name": "average", "type": "SMA", "parameters": {"period": 2}},
        {"name": "twin", "type": "SMA", "parameters": {"period": 2}},
        {"name": "change", "type": "ROC", "parameters": {"period": 1}},
    ]});
    algorithm.reconfigure(&parameters(&settings)).unwrap();
    let events = [quote("GOOG", "5", 3), quote("GOOG", "6", 4), quote("GOOG", "7", 5)];
    assert_eq!(
        lines(algorithm.as_mut(), &events),
        [
            "GOOG/average@3 value=4; GOOG/twin@3 value=4",
            "GOOG/average@4 value=5.5; GOOG/twin@4 value=5.5; GOOG/change@4 value=20",
            "GOOG/ema@5 value=6; GOOG/average@5 value=6.5; GOOG/twin@5 value=6.5; GOOG/change@5 value=16.6666666667",
        ]
    );
}

#[test]
fn restart_with_other_settings_is_like_a_change_while_it_runs() {
    let events = |from: i64| -> Vec<Event> {
        (from..from + 6).map(|step| quote("GOOG", &(100 + step * step).to_string(), step * 40)).collect()
    };
    let with_bars = |interval: &str| {
        let mut settings = sma_and_ema(2, 2);
        settings["bars"] = json!({"interval": interval});
        settings
    };
    let session =
        json!({"compute": [{"name": "vwap", "type": "VWAP"}], "session": {"timeZone": "Asia/Tokyo", "start": "09:00"}});
    let all = [sma_and_ema(2, 2), sma_and_ema(3, 2), with_bars("1m"), with_bars("2m"), session];
    for before in &all {
        for after in &all {
            let mut live = start(before, &SavedState::new());
            live.decide(&events(0));
            let saved = live.take_changes();
            live.reconfigure(&parameters(after)).unwrap();
            let mut restarted = start(after, &saved);
            let expected = lines(restarted.as_mut(), &events(6));
            assert_eq!(lines(live.as_mut(), &events(6)), expected, "{before} to {after}");
            let saved = live.take_changes();
            assert_eq!(saved, restarted.take_changes());
            assert_eq!(saved.len(), 1);
        }
    }
}

#[test]
fn change_of_settings_is_saved_without_another_quote() {
    let mut algorithm = start(&sma_and_ema(2, 2), &SavedState::new());
    algorithm.decide(&[quote("GOOG", "1", 1), quote("GOOG", "3", 2)]);
    algorithm.take_changes();
    algorithm.reconfigure(&parameters(&sma_and_ema(2, 2))).unwrap();
    assert!(algorithm.take_changes().is_empty(), "nothing changed");
    // An indicator that is removed and comes back begins anew, also over a restart in between.
    algorithm.reconfigure(&parameters(&sma_and_ema(3, 2))).unwrap();
    let saved = algorithm.take_changes();
    let mut back = start(&sma_and_ema(2, 2), &saved);
    assert_eq!(lines(back.as_mut(), &[quote("GOOG", "5", 3)]), ["GOOG/ema@3 value=4"]);
}

#[test]
fn other_bars_begin_anew() {
    let mut settings = sma_and_ema(1, 1);
    settings["bars"] = json!({"interval": "1m"});
    let mut algorithm = start(&settings, &SavedState::new());
    algorithm.decide(&[quote("GOOG", "1", 0), quote("GOOG", "2", 61)]);
    settings["bars"] = json!({"interval": "2m"});
    algorithm.reconfigure(&parameters(&settings)).unwrap();
    let events = [quote("GOOG", "3", 62), quote("GOOG", "4", 120)];
    let expected = "GOOG@0 0 120s 3 3 3 3 -: GOOG/sma@0 value=3; GOOG/ema@0 value=3";
    assert_eq!(lines(algorithm.as_mut(), &events), ["", expected]);
}
