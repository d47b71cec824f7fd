//! The trading state that a resource asks for, read from the object as the API server holds it. Pure.
//!
//! The spec is not parsed for it, and need not be accepted: a stop that depends on the rest of the spec is none.

use std::collections::BTreeMap;

use intuition_api::{
    trading::{LONGEST_MESSAGE, cause},
    v1::{self, Trading, TradingCause, TradingState},
};
use intuition_resources::TradingStatus;
use serde_json::{Value, json};

use crate::names::annotation;

/// Path of the field that a person sets.
const TRADING_STATE: &str = "spec.tradingState";
/// Path of the field that it replaced.
const SUSPEND: &str = "spec.suspend";
/// Most characters of an unreadable value that a message repeats.
const MAX_VALUE_CHARS: usize = 80;

/// The causes that a resource has for not being Active; without one it asks for Active.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RequestedState {
    /// In the order of their codes, each at most once.
    causes: Vec<TradingCause>,
}

impl RequestedState {
    /// From the values of `spec.tradingState` and `spec.suspend`, and the annotations. A value that this release cannot
    /// read counts as Halted: it was set to something other than Active.
    pub fn read(
        trading_state: Option<&Value>,
        suspend: Option<&Value>,
        annotations: Option<&BTreeMap<String, String>>,
    ) -> Self {
        let annotated = |code: &str, name: &str, state| {
            let text = annotations?.get(name)?;
            Some(of(code, state, text))
        };
        let causes = [
            annotated(cause::HALT, annotation::HALT, TradingState::Halted),
            annotated(cause::REDUCE, annotation::REDUCE, TradingState::Reducing),
            by_fields(trading_state, suspend),
        ];
        Self { causes: causes.into_iter().flatten().collect() }
    }

    /// The strictest state of the causes.
    pub fn state(&self) -> TradingState {
        TradingState::strictest(&self.causes)
    }

    /// The causes.
    pub fn causes(&self) -> &[TradingCause] {
        &self.causes
    }

    /// Whether a field of the spec asks for Halted: `Settings.suspend` for a runtime that knows trading states, where it
    /// is the same cause.
    pub fn is_halted_by_spec(&self) -> bool {
        self.causes.iter().any(|held| held.cause == cause::USER && held.strictness() == TradingState::Halted)
    }

    /// Whether an account that shows this state has exactly these causes with their texts, of this generation or a later
    /// one: then there is nothing to send.
    pub fn is_recorded(&self, trading: &Trading, generation: i64) -> bool {
        let key = |held: &TradingCause| (held.cause.clone(), held.strictness(), held.message.clone());
        trading.generation >= generation && settable(trading, key) == self.causes.iter().map(key).collect::<Vec<_>>()
    }

    /// Whether an account that shows this state is stopped by exactly these causes. A text alone does not count: a call of
    /// an older generation does not change it.
    pub fn is_in_force(&self, trading: &Trading) -> bool {
        let key = |held: &TradingCause| (held.cause.clone(), held.strictness());
        settable(trading, key) == self.causes.iter().map(key).collect::<Vec<_>>()
    }

    /// Whether this is a stop that the status does not show to be in force.
    pub fn is_news_to(&self, shown: Option<&TradingStatus>) -> bool {
        let is_shown = |held: &TradingCause| {
            shown.is_some_and(|shown| {
                shown.causes.iter().any(|known| known.cause == held.cause && known.state == held.strictness().name())
            })
        };
        !self.causes.iter().all(is_shown)
    }

    /// The call that puts these causes in force. `from`: the number of the state that they replace; without it they only
    /// make that state stricter.
    pub fn request(
        &self,
        account: String,
        resource_uid: String,
        generation: i64,
        from: Option<u64>,
    ) -> v1::SetTradingStateRequest {
        v1::SetTradingStateRequest { account, resource_uid, generation, from, causes: self.causes.clone() }
    }

    /// The runtime's file `trading-state.json`.
    pub fn file(&self, resource_uid: &str, generation: i64) -> Value {
        let causes = self
            .causes
            .iter()
            .map(|held| json!({ "cause": held.cause, "state": held.strictness().name(), "message": held.message }));
        json!({ "resourceUid": resource_uid, "generation": generation, "causes": causes.collect::<Vec<_>>() })
    }
}

/// The causes of an account that a resource can set, in order.
fn settable<K: Ord>(trading: &Trading, key: impl Fn(&TradingCause) -> K) -> Vec<K> {
    let in_force = trading.causes.iter().filter(|held| cause::SETTABLE.contains(&held.cause.as_str()));
    let mut in_force: Vec<_> = in_force.map(key).collect();
    in_force.sort();
    in_force
}

/// These causes, for a person: `Halted by spec.suspend`.
pub(crate) fn told<'a>(causes: impl IntoIterator<Item = &'a TradingCause>) -> String {
    let told = causes.into_iter().map(|held| {
        let state = held.strictness();
        let annotation = match held.cause.as_str() {
            cause::HALT => annotation::HALT,
            cause::REDUCE => annotation::REDUCE,
            cause::USER if !held.message.is_empty() => return format!("{state} by {}", held.message),
            other => return with_text(format!("{state} by {other}"), &held.message),
        };
        with_text(format!("{state} by the annotation {annotation}"), &held.message)
    });
    told.collect::<Vec<_>>().join("; ")
}

fn with_text(subject: String, text: &str) -> String {
    if text.is_empty() { subject } else { format!("{subject}: {text}") }
}

fn of(code: &str, state: TradingState, text: &str) -> TradingCause {
    TradingCause { cause: code.to_owned(), state: state.into(), message: message(text), since_micros: 0 }
}

/// The stricter of the two fields, with the name of the field, or of both where they agree.
fn by_fields(trading_state: Option<&Value>, suspend: Option<&Value>) -> Option<TradingCause> {
    let by_state = match trading_state {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_str().and_then(|text| text.parse().ok()).map_or_else(
            || {
                let told = format!("{TRADING_STATE}, whose value {} this release does not know", shown(value));
                (TradingState::Halted, told)
            },
            |state| (state, TRADING_STATE.to_owned()),
        )),
    };
    let by_suspend = match suspend {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some((TradingState::Halted, SUSPEND.to_owned())),
        Some(value) => {
            Some((TradingState::Halted, format!("{SUSPEND}, whose value {} this release does not know", shown(value))))
        }
    };
    let (state, told) = match (by_state, by_suspend) {
        (Some((state, by_state)), Some((suspended, by_suspend))) if state == suspended => {
            (state, format!("{by_state} and {by_suspend}"))
        }
        (by_state, by_suspend) => by_state.into_iter().chain(by_suspend).max_by_key(|(state, _)| *state)?,
    };
    (state > TradingState::Active).then(|| of(cause::USER, state, &told))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// As a cause may carry it: at most 1,024 bytes, and no character that could forge a line of a log.
fn message(text: &str) -> String {
    let mut text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// Code, state and message of each cause.
    fn causes(wanted: &RequestedState) -> Vec<(&str, TradingState, &str)> {
        wanted.causes().iter().map(|held| (held.cause.as_str(), held.strictness(), held.message.as_str())).collect()
    }

    #[test]
    fn the_stricter_field_holds_and_is_named() {
        use TradingState::{Halted, Reducing};
        let unknown = |field: &str, value: &str| format!("{field}, whose value {value} this release does not know");
        for (trading_state, suspend, expected) in [
            (Value::Null, Value::Null, None),
            (json!("Active"), json!(false), None),
            (json!("Reducing"), json!(false), Some((Reducing, "spec.tradingState".to_owned()))),
            (json!("Halted"), Value::Null, Some((Halted, "spec.tradingState".to_owned()))),
            (json!("Active"), json!(true), Some((Halted, "spec.suspend".to_owned()))),
            (json!("Reducing"), json!(true), Some((Halted, "spec.suspend".to_owned()))),
            (json!("Halted"), json!(true), Some((Halted, "spec.tradingState and spec.suspend".to_owned()))),
            (json!("Paused"), json!(false), Some((Halted, unknown("spec.tradingState", "\"Paused\"")))),
            (json!("active"), Value::Null, Some((Halted, unknown("spec.tradingState", "\"active\"")))),
            (json!({ "x": 1 }), Value::Null, Some((Halted, unknown("spec.tradingState", r#"{"x":1}"#)))),
            (Value::Null, json!("yes"), Some((Halted, unknown("spec.suspend", "\"yes\"")))),
        ] {
            let wanted = RequestedState::read(Some(&trading_state), Some(&suspend), None);
            let found = causes(&wanted).into_iter().map(|(code, state, text)| {
                assert_eq!(code, "User");
                (state, text.to_owned())
            });
            assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(expected), "{trading_state} {suspend}");
        }
        let long = json!("ü".repeat(5_000));
        assert!(RequestedState::read(Some(&long), None, None).causes()[0].message.len() <= LONGEST_MESSAGE);
    }

    #[test]
    fn annotations_are_causes_of_their_own_with_their_text() {
        let text = format!("jo: fat\nfinger\u{1b}[2J {}", "é".repeat(2_000));
        let set = annotations(&[(annotation::HALT, &text), (annotation::REDUCE, "")]);
        let wanted = RequestedState::read(Some(&json!("Halted")), None, Some(&set));
        let found = causes(&wanted);
        assert_eq!(
            found.iter().map(|(code, state, _)| (*code, *state)).collect::<Vec<_>>(),
            [("Halt", TradingState::Halted), ("Reduce", TradingState::Reducing), ("User", TradingState::Halted)]
        );
        assert!(
            found[0].2.starts_with("jo: fat finger [2J é") && found[0].2.len() <= LONGEST_MESSAGE,
            "{}",
            found[0].2
        );
        assert_eq!(found[1].2, "", "an annotation without a text counts");
        assert_eq!(wanted.state(), TradingState::Halted);
        let reducing = RequestedState::read(None, None, Some(&annotations(&[(annotation::REDUCE, "jo")])));
        assert_eq!((reducing.state(), reducing.is_halted_by_spec()), (TradingState::Reducing, false));
    }

    #[test]
    fn causes_are_compared_without_those_of_the_runtime_and_their_times() {
        let set = annotations(&[(annotation::HALT, "jo")]);
        let wanted = RequestedState::read(Some(&json!("Reducing")), None, Some(&set));
        let mut causes = wanted.causes().to_vec();
        causes.reverse();
        causes[0].since_micros = 7;
        causes.push(of("MaxDrawdown", TradingState::Halted, "10 %"));
        let mut trading = Trading { causes, generation: 3, ..Trading::default() };
        assert!(wanted.is_recorded(&trading, 3) && !wanted.is_recorded(&trading, 4));
        trading.causes[0].message = "other".to_owned();
        assert!(!wanted.is_recorded(&trading, 3) && wanted.is_in_force(&trading), "the text is another");
        assert!(!RequestedState::default().is_in_force(&trading));
        trading.causes.retain(|held| held.cause == "MaxDrawdown");
        assert!(RequestedState::default().is_in_force(&trading) && RequestedState::default().is_recorded(&trading, 3));
    }

    #[test]
    fn a_stop_is_news_until_the_status_shows_it() {
        let halted = RequestedState::read(Some(&json!("Halted")), None, None);
        let with = |causes: Value| {
            let trading = json!({ "state": "Halted", "causes": causes });
            serde_json::from_value::<TradingStatus>(json!(trading)).unwrap()
        };
        assert!(halted.is_news_to(None) && halted.is_news_to(Some(&TradingStatus::default())));
        assert!(halted.is_news_to(Some(&with(json!([{ "cause": "User", "state": "Reducing" }])))));
        assert!(!halted.is_news_to(Some(&with(json!([{ "cause": "User", "state": "Halted" }])))));
        assert!(!RequestedState::default().is_news_to(None), "that nothing is stopped waits for the rest of the look");
    }

    #[test]
    fn the_file_and_the_text_for_a_person_name_cause_and_field() {
        let set = annotations(&[(annotation::HALT, "jo: wrong feed")]);
        let wanted = RequestedState::read(None, Some(&json!(true)), Some(&set));
        let expected = json!({ "resourceUid": "u-1", "generation": 7, "causes": [
            { "cause": "Halt", "state": "Halted", "message": "jo: wrong feed" },
            { "cause": "User", "state": "Halted", "message": "spec.suspend" },
        ] });
        assert_eq!(wanted.file("u-1", 7), expected);
        assert_eq!(
            told(wanted.causes()),
            "Halted by the annotation intuition.dev/halt: jo: wrong feed; Halted by spec.suspend"
        );
        assert_eq!(told(&[of("MaxDrawdown", TradingState::Halted, "12 %")]), "Halted by MaxDrawdown: 12 %");
        assert_eq!(RequestedState::default().file("u-1", 7)["causes"], json!([]));
    }
}
