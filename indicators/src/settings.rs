//! The settings of an account's indicators, read from JSON: the members of an `Indicator`'s spec that matter here.

use std::{collections::BTreeSet, fmt};

use intuition_api::{
    indicator::{MAX_INDICATORS, MAX_NAME_CHARS, is_name},
    quote::{Details, Member},
};
use jiff::civil::Time;
use serde_json::{Map, Value};

use crate::{
    definition::{Definition, TYPES},
    members::{Members, shown},
    session::Session,
};

/// Shortest bar, in microseconds: a minute. The length of every bar is a multiple of it.
pub const SHORTEST_BAR_MICROS: i64 = 60_000_000;
/// Longest bar, in microseconds: a day.
pub const LONGEST_BAR_MICROS: i64 = 86_400_000_000;

/// A violation of a rule for the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the member, for example `compute[2].parameters.period`.
    pub path: String,
    /// The rule, and the value that violates it.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// An indicator under its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Name under which its values are published.
    pub name: String,
    /// The computation.
    pub definition: Definition,
}

/// The indicators of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// In their order; names are unique.
    pub compute: Vec<Entry>,
    /// Length of the bars that quotes are collected into, in microseconds. `None`: each quote is a sample.
    pub bar_micros: Option<i64>,
}

impl Settings {
    /// Reads `compute`, `bars` and `session`. An error has all violations.
    pub fn parse(members: &Map<String, Value>) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        let mut root = Members::new(members, "", &mut violations);
        let (compute, bars, session) = (root.get("compute"), root.object("bars"), root.object("session"));
        root.finish("indicators");
        let bar_micros = bars.and_then(|bars| bar_micros(bars, &mut violations));
        let session =
            session.map_or_else(|| Some(Session::utc_day()), |members| parse_session(members, &mut violations));
        let session = session.unwrap_or_else(Session::utc_day);
        let compute = entries(compute, &session, &mut violations);
        if violations.is_empty() { Ok(Self { compute, bar_micros }) } else { Err(violations) }
    }
}

fn bar_micros(bars: &Map<String, Value>, violations: &mut Vec<Violation>) -> Option<i64> {
    let rule = "text of a whole number and m, h or d, from 1m to 1d";
    let mut members = Members::new(bars, "bars", violations);
    let text = members.text("interval", rule);
    let micros = text.filter(|text| !text.ends_with('s')).and_then(interval_micros);
    let micros = micros.filter(|micros| (SHORTEST_BAR_MICROS..=LONGEST_BAR_MICROS).contains(micros));
    if let (Some(text), None) = (text, micros) {
        members.refuse("interval", format!("must be {rule}, is {text:?}"));
    }
    members.finish("bars");
    micros
}

/// The length that text such as `5m` stands for, by the rules of quotes.
fn interval_micros(text: &str) -> Option<i64> {
    let mut details = Details::default();
    details.set(Member::Interval, text).ok()?;
    details.interval_micros
}

fn parse_session(session: &Map<String, Value>, violations: &mut Vec<Violation>) -> Option<Session> {
    let mut members = Members::new(session, "session", violations);
    let zone_name = members.text("timeZone", "the name of a time zone such as America/New_York");
    let start_text = members.text("start", "a time of day such as 09:30");
    let start = start_text.and_then(time_of_day);
    if let (Some(text), None) = (start_text, start) {
        members.refuse("start", format!("must be a time of day such as 09:30, is {text:?}"));
    }
    let session = zone_name.and_then(|name| Session::new(name, start.unwrap_or_else(Time::midnight)));
    if let (Some(name), None) = (zone_name, &session) {
        members.refuse("timeZone", format!("must be the name of a time zone such as America/New_York, is {name:?}"));
    }
    members.finish("session");
    session
}

/// Hour and minute, each with two digits.
fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse::<i8>().ok() } else { None }
    };
    Time::new(two_digits(hour)?, two_digits(minute)?, 0, 0).ok()
}

fn entries(compute: Option<&Value>, session: &Session, violations: &mut Vec<Violation>) -> Vec<Entry> {
    let mut refuse = |message: String| violations.push(Violation { path: "compute".to_owned(), message });
    let rule = format!("a list of 1 to {MAX_INDICATORS} indicators");
    let Some(compute) = compute else {
        refuse(format!("is required: {rule}"));
        return Vec::new();
    };
    let Some(items) = compute.as_array() else {
        refuse(format!("must be {rule}, is {}", shown(compute)));
        return Vec::new();
    };
    if items.is_empty() || items.len() > MAX_INDICATORS {
        refuse(format!("must be {rule}, has {}", items.len()));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let items = items.iter().enumerate();
    items.filter_map(|(index, item)| entry(index, item, session, &mut names, violations)).collect()
}

fn entry<'a>(
    index: usize,
    item: &'a Value,
    session: &Session,
    names: &mut BTreeSet<&'a str>,
    violations: &mut Vec<Violation>,
) -> Option<Entry> {
    let path = format!("compute[{index}]");
    let Some(item) = item.as_object() else {
        violations.push(Violation { path, message: format!("must be an object, is {}", shown(item)) });
        return None;
    };
    let mut members = Members::new(item, &path, violations);
    let name_rule = format!("1 to {MAX_NAME_CHARS} characters of a-z, 0-9 and -, a letter first and no - last");
    let name = members.text("name", &name_rule);
    match name {
        Some(name) if !is_name(name) => {
            members.refuse("name", format!("must be {name_rule}, is {}", shown(&Value::from(name))));
        }
        Some(name) if !names.insert(name) => members.refuse("name", format!("must be unique, is {name:?} again")),
        _ => {}
    }
    let type_rule = format!("one of {}", TYPES.join(", "));
    let kind = members.text("type", &type_rule);
    let known = kind.filter(|kind| TYPES.contains(kind));
    if let (Some(kind), None) = (kind, known) {
        members.refuse("type", format!("must be {type_rule}, is {}", shown(&Value::from(kind))));
    }
    let is_given = item.contains_key("parameters");
    let parameters = members.object("parameters");
    members.finish("an indicator");
    let none = Map::new();
    let parameters = if is_given { parameters? } else { &none };
    let definition = Definition::parse(known?, parameters, session, &format!("{path}.parameters"), violations)?;
    Some(Entry { name: name?.to_owned(), definition })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(settings: Value) -> Result<Settings, Vec<String>> {
        let Value::Object(members) = settings else { panic!("an object") };
        Settings::parse(&members).map_err(|violations| violations.iter().map(ToString::to_string).collect())
    }

    fn with(kind: &str, parameters: &Value) -> Result<String, Vec<String>> {
        let settings = parse(json!({"compute": [{"name": "x", "type": kind, "parameters": parameters}]}))?;
        Ok(settings.compute[0].definition.to_string())
    }

    #[test]
    fn every_type_has_its_parameters_and_defaults() {
        for (kind, parameters, expected) in [
            ("SMA", json!({"period": 20}), "SMA 20"),
            ("EMA", json!({"period": 1}), "EMA 1"),
            ("WMA", json!({"period": 10_000}), "WMA 10000"),
            ("RSI", json!({"period": 14}), "RSI 14"),
            ("MACD", json!({}), "MACD 12 26 9"),
            ("MACD", json!({"fast": 3, "slow": 6, "signal": 1}), "MACD 3 6 1"),
            ("Bollinger", json!({}), "Bollinger 20 2"),
            ("Bollinger", json!({"period": 5, "deviations": 2.5}), "Bollinger 5 2.5"),
            ("Bollinger", json!({"deviations": "0.0000000001"}), "Bollinger 20 0.0000000001"),
            ("ATR", json!({"period": 14}), "ATR 14"),
            ("VWAP", json!({}), "VWAP UTC 00:00"),
            ("ROC", json!({"period": 10}), "ROC 10"),
            ("Donchian", json!({"period": 20}), "Donchian 20"),
            ("StandardDeviation", json!({"period": 2}), "StandardDeviation 2"),
            ("Stochastic", json!({}), "Stochastic 14 3 3"),
            ("Stochastic", json!({"period": 5, "smoothK": 1, "smoothD": 2}), "Stochastic 5 1 2"),
        ] {
            assert_eq!(with(kind, &parameters), Ok(expected.to_owned()));
        }
        assert_eq!(TYPES.len(), 12);
    }

    #[test]
    fn parameters_beyond_their_bounds_are_refused_by_their_path() {
        for (kind, parameters, complaint) in [
            ("SMA", json!({"period": 0}), "period: must be a whole number from 1 to 10000, is 0"),
            ("SMA", json!({}), "period: is required: a whole number from 1 to 10000"),
            ("RSI", json!({"period": 10_001}), "period: must be a whole number from 1 to 10000, is 10001"),
            ("StandardDeviation", json!({"period": 1}), "period: must be a whole number from 2 to 10000, is 1"),
            ("EMA", json!({"period": 2.5}), "period: must be a whole number from 1 to 10000, is 2.5"),
            ("EMA", json!({"period": "5"}), "period: must be a whole number from 1 to 10000, is \"5\""),
            ("MACD", json!({"fast": 26}), "fast: must be less than slow, which is 26, is 26"),
            ("VWAP", json!({"period": 5}), "period: is unknown; VWAP takes none"),
            ("MACD", json!({"period": 5}), "period: is unknown; MACD takes fast, slow, signal"),
            (
                "Bollinger",
                json!({"deviations": 0}),
                "deviations: must be a number above 0, at most 100, with at most 10 places, is 0",
            ),
            (
                "Bollinger",
                json!({"deviations": 100.5}),
                "deviations: must be a number above 0, at most 100, with at most 10 places, is 100.5",
            ),
        ] {
            assert_eq!(with(kind, &parameters), Err(vec![format!("compute[0].parameters.{complaint}")]));
        }
    }

    #[test]
    fn all_violations_are_named_at_once() {
        let complaints = parse(json!({
            "compute": [
                {"name": "a", "type": "SMA", "parameters": {"period": 0, "length": 5}},
                {"name": "a", "type": "sma"},
                {"name": "A", "type": "VWAP", "parameters": []},
                7,
                {"type": "EMA", "parameters": {"period": 3}, "source": "x"},
            ],
            "bars": {"interval": "30s"},
            "session": {"timeZone": "Mars", "start": "9:30"},
            "symbols": ["GOOG"],
        }));
        let types = TYPES.join(", ");
        let name = "1 to 40 characters of a-z, 0-9 and -, a letter first and no - last";
        let expected = [
            "symbols: is unknown; indicators takes compute, bars, session",
            "bars.interval: must be text of a whole number and m, h or d, from 1m to 1d, is \"30s\"",
            "session.start: must be a time of day such as 09:30, is \"9:30\"",
            "session.timeZone: must be the name of a time zone such as America/New_York, is \"Mars\"",
            "compute[0].parameters.period: must be a whole number from 1 to 10000, is 0",
            "compute[0].parameters.length: is unknown; SMA takes period",
            "compute[1].name: must be unique, is \"a\" again",
            &format!("compute[1].type: must be one of {types}, is \"sma\""),
            &format!("compute[2].name: must be {name}, is \"A\""),
            "compute[2].parameters: must be an object, is []",
            "compute[3]: must be an object, is 7",
            "compute[4].source: is unknown; an indicator takes name, type, parameters",
        ];
        let missing = format!("compute[4].name: is required: {name}");
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        expected.insert(11, missing);
        assert_eq!(complaints, Err(expected));
    }

    #[test]
    fn list_of_indicators_is_neither_empty_nor_too_long() {
        for (settings, complaint) in [
            (json!({}), "compute: is required: a list of 1 to 32 indicators"),
            (json!({"compute": {}}), "compute: must be a list of 1 to 32 indicators, is {}"),
            (json!({"compute": []}), "compute: must be a list of 1 to 32 indicators, has 0"),
            (json!({"compute": vec![1; 33]}), "compute: must be a list of 1 to 32 indicators, has 33"),
        ] {
            assert_eq!(parse(settings), Err(vec![complaint.to_owned()]));
        }
    }

    #[test]
    fn bars_are_whole_minutes_up_to_a_day() {
        let bars = |interval: &str| {
            let vwap = json!([{"name": "x", "type": "VWAP"}]);
            parse(json!({"compute": vwap, "bars": {"interval": interval}})).map(|settings| settings.bar_micros)
        };
        for (interval, minutes) in [("1m", 1), ("90m", 90), ("4h", 240), ("1d", 1_440), ("24h", 1_440)] {
            assert_eq!(bars(interval), Ok(Some(minutes * SHORTEST_BAR_MICROS)), "{interval}");
        }
        for interval in ["", "60s", "0m", "2d", "25h", "1w", "1", "m"] {
            assert!(bars(interval).is_err(), "{interval}");
        }
    }

    #[test]
    fn session_is_part_of_a_vwap() {
        let settings = parse(json!({
            "compute": [{"name": "vwap", "type": "VWAP"}, {"name": "sma", "type": "SMA", "parameters": {"period": 2}}],
            "session": {"timeZone": "America/New_York", "start": "09:30"},
        }));
        let texts: Vec<String> = settings.unwrap().compute.iter().map(|entry| entry.definition.to_string()).collect();
        assert_eq!(texts, ["VWAP America/New_York 09:30", "SMA 2"]);
    }
}
