//! Values of an indicator: an element with the name of the indicator, a symbol, and a value or several.

use intuition_api::{
    decimal::Value as Decimal,
    indicator::{MAX_VALUES, NAME_RULES, ONLY_VALUE, VALUE_NAME_RULES, is_name, is_value_name},
    v1::{Indicator, IndicatorValue},
};
use serde_json::value::RawValue;

use super::{
    Reason, Rejection, cut, fields,
    json::{self, Object, Value},
    shapes::{self, INDICATOR, PRICE, Path, VALUES},
};

/// Values of an indicator, and whether digits of one were rounded off.
pub(super) struct ReadValues {
    pub(super) indicator: Indicator,
    pub(super) rounded: bool,
}

/// Reads an element. `time` is for an object without a time.
pub(super) fn read(
    object: &Object<'_>,
    path: Path<'_>,
    time: impl FnOnce() -> Result<i64, Rejection>,
) -> Result<ReadValues, Rejection> {
    let name = name_of(object, path)?;
    if !shapes::has_symbol(object) {
        return Err(missing(path, "there is neither \"sid\" nor \"symbol\""));
    }
    let sid = shapes::symbol_of(object, path)?;
    if let Some(price) = PRICE.into_iter().find(|price| object.get(price).is_some()) {
        let message =
            format!("{}: values of an indicator beside a {price}: give the quote an element of its own", path.here);
        return Err(bad(message));
    }
    let mut rounded = false;
    let values = values_of(object, path, &mut rounded)?;
    let time_micros = shapes::time_of(object, path, time)?;
    Ok(ReadValues { indicator: Indicator { name, sid, values, time_micros }, rounded })
}

fn name_of(object: &Object<'_>, path: Path<'_>) -> Result<String, Rejection> {
    let name = object.get(INDICATOR).map(fields::open);
    match name {
        Some(Value::Text(name)) if is_name(&name) => Ok(name.into_owned()),
        _ => {
            let shown = object.get(INDICATOR).map_or("null", RawValue::get);
            Err(bad(format!("{}: {} is no name, which has {NAME_RULES}", path.member(INDICATOR), cut(shown))))
        }
    }
}

fn values_of(object: &Object<'_>, path: Path<'_>, rounded: &mut bool) -> Result<Vec<IndicatorValue>, Rejection> {
    let [one, several] = VALUES;
    match (object.get(one), object.get(several)) {
        (Some(raw), None) => Ok(vec![value(ONLY_VALUE, raw, || path.member(one), rounded)?]),
        (None, Some(raw)) => several_values(raw, &path.member(several), rounded),
        (Some(_), Some(_)) => Err(bad(format!("{}: both {one:?} and {several:?}: leave one of them out", path.here))),
        (None, None) => Err(missing(path, "there is neither \"value\" nor \"values\"")),
    }
}

/// The values in an object; members that are null are absent.
fn several_values(raw: &RawValue, here: &str, rounded: &mut bool) -> Result<Vec<IndicatorValue>, Rejection> {
    let Ok(Value::Object(object)) = json::open(raw, MAX_VALUES) else {
        return Err(bad(format!("{here}: {} is no object of values", cut(raw.get()))));
    };
    if let Some(key) = &object.repeated {
        return Err(Rejection::new(Reason::RepeatedKey, format!("{here}: the key {:?} is there twice", cut(key))));
    }
    if object.members.len() > MAX_VALUES {
        return Err(bad(format!("{here}: more than {MAX_VALUES} values")));
    }
    let mut values = Vec::with_capacity(object.members.len());
    for (name, raw) in object.members.iter().filter(|(_, raw)| raw.get() != "null") {
        if !is_value_name(name) {
            return Err(bad(format!("{here}: {:?} is no name, which has {VALUE_NAME_RULES}", cut(name))));
        }
        values.push(value(name, raw, || format!("{here}.{name}"), rounded)?);
    }
    if values.is_empty() {
        return Err(bad(format!("{here}: there is no value")));
    }
    Ok(values)
}

fn value(
    name: &str,
    raw: &RawValue,
    here: impl FnOnce() -> String,
    rounded: &mut bool,
) -> Result<IndicatorValue, Rejection> {
    let parsed = match fields::open(raw) {
        Value::Text(text) => Decimal::rounded(&text),
        Value::Number(text) => Decimal::rounded(text),
        // Text that no value has.
        _ => Decimal::rounded(""),
    };
    let (value, was_rounded) = parsed.map_err(|error| bad(format!("{}: {} {error}", here(), cut(raw.get()))))?;
    *rounded |= was_rounded;
    Ok(IndicatorValue { name: name.to_owned(), value: value.to_string() })
}

fn missing(path: Path<'_>, complaint: &str) -> Rejection {
    let message = format!(
        "{}: values of an indicator need `sid` (or `symbol`) and `value` (or `values`), {complaint}",
        path.here
    );
    Rejection::new(Reason::MissingField, message)
}

const fn bad(message: String) -> Rejection {
    Rejection::new(Reason::BadIndicator, message)
}
