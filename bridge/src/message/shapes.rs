//! The shapes of objects: the canonical quote, the map of symbols to prices, and values of an indicator. None is guessed: an
//! object that is not certainly one of them is no quote.

use intuition_api::{quote::Member as QuoteMember, v1::Quote};
use serde_json::value::RawValue;

use super::{
    Reason, Rejection, cut,
    details::Details,
    fields::{self, NoPrice, PriceText},
    json::Object,
    listing::Listing,
    names,
};

/// Spellings of the symbol, and of the price.
const SYMBOL: [&str; 2] = ["sid", "symbol"];
pub(super) const PRICE: [&str; 2] = ["quote", "price"];
/// The member with the name of an indicator, and those with its values.
pub(super) const INDICATOR: &str = "indicator";
pub(super) const VALUES: [&str; 2] = ["value", "values"];
/// The setting for other shapes, as a part of messages.
const SETTING: &str = "spec.channels.inputs[].symbols lists the symbols to take from such messages, spec.channels.inputs[].format describes other forms";

/// A quote, and whether digits of its price or of another member were rounded off.
pub(super) struct Read {
    pub(super) quote: Quote,
    pub(super) rounded: bool,
}

impl Read {
    fn new(sid: String, price: PriceText, time_micros: i64) -> Self {
        Self { quote: Quote { sid, price: price.text, time_micros, ..Quote::default() }, rounded: price.rounded }
    }
}

/// The shape of an object, by its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It has a member of the canonical quote that no map can have.
    Quote,
    Map,
    /// It has values of an indicator, or is a broken element of this kind.
    Indicator,
}

/// The shape of an object: canonical with symbol and price. With only one of them it is a broken quote, unless the input
/// lists members of it, which makes it a map.
pub(super) fn shape(object: &Object<'_>, listing: Listing<'_>) -> Shape {
    let has = |names: [&str; 2]| names.iter().any(|name| object.has(name));
    let is_listed = || object.members.iter().any(|(name, _)| listing.has(name));
    let (symbol, price) = (has_symbol(object), has(PRICE));
    if object.get(INDICATOR).is_some_and(|raw| raw.get().starts_with('"')) {
        let values = VALUES.iter().any(|name| object.get(name).is_some());
        // A quote, and a map with a list, may have other members: without values, this one is such a member.
        if (symbol && values) || !((symbol && price) || is_listed()) {
            return Shape::Indicator;
        }
    }
    match (symbol, price) {
        (true, true) => Shape::Quote,
        (false, false) => Shape::Map,
        _ if is_listed() => Shape::Map,
        _ => Shape::Quote,
    }
}

/// Whether an object has a symbol, in either spelling.
pub(super) fn has_symbol(object: &Object<'_>) -> bool {
    SYMBOL.iter().any(|name| object.has(name))
}

/// The time of an element. `time` is for an object without a time.
pub(super) fn time_of(
    object: &Object<'_>,
    path: Path<'_>,
    time: impl FnOnce() -> Result<i64, Rejection>,
) -> Result<i64, Rejection> {
    object.get("time").map_or_else(time, |raw| fields::time(raw, || path.member("time")))
}

/// The place of an object, for a person.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    /// The object itself.
    pub(super) here: &'a str,
    /// The path in front of the name of a member.
    pub(super) prefix: &'a str,
    /// Makes the name of a member for messages to people.
    pub(super) name: &'a dyn Fn(&str) -> String,
}

impl Path<'_> {
    pub(super) fn member(self, name: &str) -> String {
        format!("{}{}", self.prefix, (self.name)(name))
    }
}

/// A canonical quote. `time` is for an object without a time.
pub(super) fn quote(
    object: &Object<'_>,
    path: Path<'_>,
    time: impl FnOnce() -> Result<i64, Rejection>,
) -> Result<Read, Rejection> {
    let sid = symbol_of(object, path)?;
    let price_text = price_of(object, path)?;
    let time = time_of(object, path, time)?;
    let details = details_of(object, path)?;
    let price = price_text.price;
    let mut read = Read::new(sid, price_text, time);
    read.rounded |= details.finish(price, &mut read.quote, path.here)?;
    Ok(read)
}

fn details_of(object: &Object<'_>, path: Path<'_>) -> Result<Details, Rejection> {
    let mut details = Details::default();
    for (name, raw) in &object.members {
        if let Some(member) = QuoteMember::find(name).filter(|_| raw.get() != "null") {
            details.take(member, &fields::open(raw), raw.get(), || path.member(name))?;
        }
    }
    Ok(details)
}

/// The symbol of a quote, or of values.
pub(super) fn symbol_of(object: &Object<'_>, path: Path<'_>) -> Result<String, Rejection> {
    let read = |name: &str| object.get(name).map(|raw| fields::symbol_member(raw, || path.member(name))).transpose();
    match (read("sid")?, read("symbol")?) {
        (Some(sid), Some(symbol)) if sid != symbol => {
            let message = format!(
                "{}: sid is {:?} and symbol is {:?}, which name one thing: leave one of them out",
                path.here,
                cut(&sid),
                cut(&symbol)
            );
            Err(Rejection::new(Reason::BadSymbol, message))
        }
        (Some(sid), _) | (None, Some(sid)) => Ok(sid),
        (None, None) => Err(missing(object, path, SYMBOL)),
    }
}

fn price_of(object: &Object<'_>, path: Path<'_>) -> Result<PriceText, Rejection> {
    match (object.get("quote"), object.get("price")) {
        (Some(quote), Some(price)) => {
            let read = fields::price(price, || path.member("price"))?;
            // A quote that is no number is the currency of the price.
            if fields::same_number(quote, price) != Some(false) {
                return Ok(read);
            }
            let message = format!(
                "{}: quote is {} and price is {}, which name one thing: leave one of them out",
                path.here,
                cut(quote.get()),
                cut(price.get())
            );
            Err(Rejection::new(Reason::BadPrice, message))
        }
        (Some(raw), None) => fields::price(raw, || path.member("quote")),
        (None, Some(raw)) => fields::price(raw, || path.member("price")),
        (None, None) => Err(missing(object, path, PRICE)),
    }
}

fn missing(object: &Object<'_>, path: Path<'_>, [name, other]: [&str; 2]) -> Rejection {
    let near = object.members.iter().map(|(member, _)| member.as_ref()).find(|member| {
        ![name, other].contains(member) && [name, other].iter().any(|name| name.eq_ignore_ascii_case(member))
    });
    let near = near.map(|near| format!("; {near:?} is written differently")).unwrap_or_default();
    let message = format!(
        "{}: a quote needs `sid` (or `symbol`) and `quote` (or `price`), there is neither {name:?} nor {other:?}{near}",
        path.here
    );
    Rejection::new(Reason::MissingField, message)
}

/// Quotes of a price map, and how many symbols of it have no price now.
#[derive(Default)]
pub(super) struct Map {
    pub(super) quotes: Vec<Read>,
    pub(super) without_price: u64,
}

/// A price map, every member of it a price or null. Where the input lists its symbols, other members may be anything.
pub(super) fn map(
    object: &Object<'_>,
    listing: Listing<'_>,
    path: Path<'_>,
    time: impl FnOnce() -> Result<i64, Rejection>,
) -> Result<Map, Rejection> {
    let mut prices = Vec::with_capacity(object.members.len());
    let (mut without_price, mut bad) = (0, None);
    for (name, raw) in &object.members {
        match member(name, raw, listing, path) {
            Ok(Member::Price(sid, price)) => prices.push((sid, price)),
            Ok(Member::NoPrice) => without_price += 1,
            Ok(Member::PassedOver) => {}
            // Another shape is the reason, wherever the member stands that shows it; else the first bad member.
            Err(rejection) if rejection.reason == Reason::NotAQuote => return Err(rejection),
            Err(rejection) => bad = bad.or(Some(rejection)),
        }
    }
    if let Some(rejection) = bad {
        return Err(rejection);
    }
    if prices.is_empty() && without_price == 0 {
        let message = format!("{}: none of its members is a price of a symbol; {SETTING}", path.here);
        return Err(Rejection::new(Reason::NotAQuote, message));
    }
    // A map of nulls alone has no quote, and so no bad time.
    let time = if prices.is_empty() { 0 } else { time()? };
    let quotes = prices.into_iter().map(|(sid, price)| Read::new(sid, price, time)).collect();
    Ok(Map { quotes, without_price })
}

enum Member {
    Price(String, PriceText),
    NoPrice,
    PassedOver,
}

/// A member of a map; an error is one of the whole map.
fn member(name: &str, raw: &RawValue, listing: Listing<'_>, path: Path<'_>) -> Result<Member, Rejection> {
    let here = || path.member(name);
    if listing.has(name) {
        if raw.get() == "null" {
            return Ok(Member::NoPrice);
        }
        return Ok(Member::Price(fields::symbol(name, here)?, fields::price(raw, here)?));
    }
    let member = undescribed(name, raw, path);
    // A complete list describes the message: other members are no quotes of it, unless they certainly are.
    if listing.is_complete() {
        return Ok(match member {
            Ok(Member::Price(sid, price)) => Member::Price(sid, price),
            _ => Member::PassedOver,
        });
    }
    member
}

/// A member that no input lists.
fn undescribed(name: &str, raw: &RawValue, path: Path<'_>) -> Result<Member, Rejection> {
    if names::is_reserved(name) {
        let hint = match SYMBOL.iter().chain(&PRICE).find(|own| own.eq_ignore_ascii_case(name)) {
            Some(own) => format!("; as a member of a quote it is written {own:?}"),
            None => String::new(),
        };
        let message = format!("{}: the member {name:?} is no symbol, its name is reserved{hint}; {SETTING}", path.here);
        return Err(Rejection::new(Reason::NotAQuote, message));
    }
    if raw.get() == "null" {
        return Ok(Member::NoPrice);
    }
    let here = || path.member(name);
    let price = fields::read_price(raw).map_err(|error| match &error {
        NoPrice::OtherKind(complaint) => {
            let message = format!(
                "{}: the member {:?} is {}, which {complaint}; a map of symbols has prices alone; {SETTING}",
                path.here,
                cut(name),
                cut(raw.get())
            );
            Rejection::new(Reason::NotAQuote, message)
        }
        NoPrice::OutOfRange(_) => fields::bad_price(&error, raw, here),
    })?;
    Ok(Member::Price(fields::symbol(name, here)?, price))
}
