//! The values of a quote beside its price, and the rules for them. A bridge, the reader of files and the runtime apply them
//! alike.

mod message;

use std::fmt;

use crate::decimal::{ParseDecimalError, Price, Quantity};

pub use message::{Quote, QuoteDetails};

/// Shortest interval of a bar, in microseconds: a second.
pub const SHORTEST_INTERVAL_MICROS: i64 = 1_000_000;
/// Longest interval of a bar, in microseconds: 366 days.
pub const LONGEST_INTERVAL_MICROS: i64 = 366 * 86_400 * 1_000_000;

/// The values of a quote beside its price. `None`: the quote does not have the value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Units that the trade moved.
    pub size: Option<Quantity>,
    /// First price of the bar or the day.
    pub open: Option<Price>,
    /// Highest price of the bar or the day.
    pub high: Option<Price>,
    /// Lowest price of the bar or the day.
    pub low: Option<Price>,
    /// Units traded in the bar or the day.
    pub volume: Option<Quantity>,
    /// Best price that a buyer offers.
    pub bid: Option<Price>,
    /// Best price that a seller asks for.
    pub ask: Option<Price>,
    /// Length of the bar in microseconds. A quote with it is a bar.
    pub interval_micros: Option<i64>,
}

/// An optional value of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// [`Details::size`].
    Size,
    /// [`Details::open`].
    Open,
    /// [`Details::high`].
    High,
    /// [`Details::low`].
    Low,
    /// [`Details::volume`].
    Volume,
    /// [`Details::bid`].
    Bid,
    /// [`Details::ask`].
    Ask,
    /// [`Details::interval_micros`].
    Interval,
}

/// A reason against text as the value of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDetail {
    /// It is no price.
    #[error("{0}")]
    Price(ParseDecimalError),
    /// It is no size or volume.
    #[error("{0}")]
    Size(ParseDecimalError),
    /// It is no interval.
    #[error("is no interval, which is text as in 1m, 5m, 1h or 1d, from 1s to 366d")]
    Interval,
}

/// Two prices of one quote that cannot both be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction {
    member: &'static str,
    value: Price,
    is_above: bool,
    bound: Price,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, value, bound, .. } = self;
        let (side, name) = if self.is_above { ("above", "high") } else { ("below", "low") };
        write!(f, "{member} is {value}, {side} {name}, which is {bound}")
    }
}

impl Member {
    /// The member with that name in JSON.
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "size" => Self::Size,
            "open" => Self::Open,
            "high" => Self::High,
            "low" => Self::Low,
            "volume" => Self::Volume,
            "bid" => Self::Bid,
            "ask" => Self::Ask,
            "interval" => Self::Interval,
            _ => return None,
        })
    }
}

impl Details {
    /// Takes a member from the text of a JSON number, or an interval from text as in `5m`. Returns whether digits were rounded
    /// off, as [`Price::rounded`] and [`Quantity::rounded`] do.
    pub fn set(&mut self, member: Member, text: &str) -> Result<bool, BadDetail> {
        let price = |place: &mut Option<Price>| {
            let (price, rounded) = Price::rounded(text).map_err(BadDetail::Price)?;
            *place = Some(price);
            Ok(rounded)
        };
        let quantity = |place: &mut Option<Quantity>| {
            let (quantity, rounded) = Quantity::rounded(text).map_err(BadDetail::Size)?;
            *place = Some(quantity);
            Ok(rounded)
        };
        match member {
            Member::Size => quantity(&mut self.size),
            Member::Open => price(&mut self.open),
            Member::High => price(&mut self.high),
            Member::Low => price(&mut self.low),
            Member::Volume => quantity(&mut self.volume),
            Member::Bid => price(&mut self.bid),
            Member::Ask => price(&mut self.ask),
            Member::Interval => {
                self.interval_micros = Some(interval_micros(text).ok_or(BadDetail::Interval)?);
                Ok(false)
            }
        }
    }

    /// Checks the prices against each other. `price` is that of the quote.
    ///
    /// In a bar, `open` and `price` are from `low` to `high`. Without an interval the values may be those of a day, and a price
    /// outside the hours of trading is often beyond them. A bid above the ask is a crossed book, which exchanges do publish.
    pub fn check(&self, price: Price) -> Result<(), Contradiction> {
        let within = |member, value: Option<Price>| {
            let Some(value) = value else { return Ok(()) };
            let contradiction = |is_above, bound| Err(Contradiction { member, value, is_above, bound });
            match (self.low, self.high) {
                (Some(low), _) if value < low => contradiction(false, low),
                (_, Some(high)) if value > high => contradiction(true, high),
                _ => Ok(()),
            }
        };
        within("high", self.high)?;
        if self.interval_micros.is_some() {
            within("open", self.open)?;
            within("price", Some(price))?;
        }
        Ok(())
    }

    /// The values in the form of the contract, decimals in their canonical form.
    pub fn to_message(&self) -> QuoteDetails {
        let price = |price: Option<Price>| price.map(|price| price.to_string());
        let quantity = |quantity: Option<Quantity>| quantity.map(|quantity| quantity.to_string());
        QuoteDetails {
            size: quantity(self.size),
            open: price(self.open),
            high: price(self.high),
            low: price(self.low),
            volume: quantity(self.volume),
            bid: price(self.bid),
            ask: price(self.ask),
            interval_micros: self.interval_micros,
        }
    }

    /// Reads the form of the contract. An error names the field.
    pub fn from_message(message: &QuoteDetails) -> Result<Self, (&'static str, BadDetail)> {
        let mut details = Self { interval_micros: message.interval_micros, ..Self::default() };
        for (name, text) in message.decimals() {
            if let (Some(member), Some(text)) = (Member::find(name), text) {
                details.set(member, text).map_err(|error| (name, error))?;
            }
        }
        let is_wrong = |micros: i64| !(SHORTEST_INTERVAL_MICROS..=LONGEST_INTERVAL_MICROS).contains(&micros);
        if details.interval_micros.is_some_and(is_wrong) {
            return Err(("interval_micros", BadDetail::Interval));
        }
        Ok(details)
    }
}

/// An interval such as `5m` in microseconds. `None`: other text, or a length beyond the bounds.
fn interval_micros(text: &str) -> Option<i64> {
    let count = text.strip_suffix(['s', 'm', 'h', 'd', 'w'])?;
    let seconds = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => 7 * 86_400,
    };
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = count.parse::<i64>().ok()?.checked_mul(seconds * 1_000_000)?;
    (SHORTEST_INTERVAL_MICROS..=LONGEST_INTERVAL_MICROS).contains(&micros).then_some(micros)
}

/// The length of a bar as quotes write it: whole seconds, in the largest unit without a remainder.
pub fn interval_text(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let unit = units.into_iter().find(|(length, _)| seconds % length == 0);
    let (length, name) = unit.unwrap_or((1, 's'));
    format!("{}{name}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(members: &[(Member, &str)]) -> Details {
        let mut details = Details::default();
        for (member, text) in members {
            details.set(*member, text).unwrap();
        }
        details
    }

    fn check(price: &str, members: &[(Member, &str)]) -> Result<(), String> {
        details(members).check(price.parse().unwrap()).map_err(|contradiction| contradiction.to_string())
    }

    #[test]
    fn an_interval_is_a_whole_number_of_a_unit_of_fixed_length() {
        for (text, seconds) in
            [("1s", 1), ("1m", 60), ("5m", 300), ("1h", 3_600), ("1d", 86_400), ("1w", 604_800), ("366d", 31_622_400)]
        {
            assert_eq!(interval_micros(text), Some(seconds * 1_000_000), "{text}");
        }
        for text in
            ["", "m", "0m", "-1m", "+1m", "1", "1 m", "1M", "1.5h", "1mo", "367d", "99999999999999999999s", "1é"]
        {
            assert_eq!(interval_micros(text), None, "{text}");
        }
    }

    #[test]
    fn interval_is_written_as_it_is_read() {
        for text in ["1s", "90s", "1m", "5m", "1h", "36h", "1d", "7d"] {
            assert_eq!(interval_micros(text).map(interval_text).as_deref(), Some(text));
        }
    }

    #[test]
    fn prices_of_a_bar_are_from_low_to_high() {
        use Member::{High, Interval, Low, Open};
        let bar = (Interval, "1m");
        assert_eq!(check("3", &[(Open, "2"), (High, "3"), (Low, "2"), bar]), Ok(()));
        assert_eq!(check("3", &[(Open, "9"), bar]), Ok(()));
        for (price, members, complaint) in [
            ("3", &[(High, "1"), (Low, "2")][..], "high is 1, below low, which is 2"),
            ("3", &[(High, "2.5"), (Low, "2"), bar], "price is 3, above high, which is 2.5"),
            ("3", &[(Low, "3.1"), bar], "price is 3, below low, which is 3.1"),
            ("3", &[(Open, "5"), (High, "4"), bar], "open is 5, above high, which is 4"),
        ] {
            assert_eq!(check(price, members), Err(complaint.to_owned()));
        }
    }

    #[test]
    fn a_price_outside_its_day_and_a_crossed_book_are_no_contradiction() {
        use Member::{Ask, Bid, High, Low, Open};
        assert_eq!(check("3", &[(Open, "9"), (High, "2"), (Low, "1")]), Ok(()));
        assert_eq!(check("3", &[(Bid, "4"), (Ask, "2")]), Ok(()));
    }

    #[test]
    fn values_go_into_the_form_of_the_contract_and_back_and_become_canonical() {
        let members = [
            (Member::Size, "0.0"),
            (Member::Open, "1e1"),
            (Member::High, "12.50"),
            (Member::Low, "9"),
            (Member::Volume, "9999999999999999999999999999.99999999"),
            (Member::Bid, "0.0000000001"),
            (Member::Ask, "999999999999.9999999999"),
            (Member::Interval, "1d"),
        ];
        let details = details(&members);
        let message = details.to_message();
        let written: Vec<_> = message.decimals().into_iter().map(|(_, text)| text.unwrap()).collect();
        let largest = "9999999999999999999999999999.99999999";
        assert_eq!(written, ["0", "10", "12.5", "9", largest, "0.0000000001", "999999999999.9999999999"]);
        assert_eq!(Details::from_message(&message), Ok(details));
    }

    #[test]
    fn a_wrong_value_in_the_form_of_the_contract_is_named() {
        for (name, _) in QuoteDetails::default().decimals() {
            let mut message = QuoteDetails::default();
            let text = Some("-1".to_owned());
            match name {
                "size" => message.size = text,
                "open" => message.open = text,
                "high" => message.high = text,
                "low" => message.low = text,
                "volume" => message.volume = text,
                "bid" => message.bid = text,
                _ => message.ask = text,
            }
            assert_eq!(Details::from_message(&message).unwrap_err().0, name);
        }
        for micros in [0, -1, SHORTEST_INTERVAL_MICROS - 1, LONGEST_INTERVAL_MICROS + 1] {
            let message = QuoteDetails { interval_micros: Some(micros), ..QuoteDetails::default() };
            assert_eq!(Details::from_message(&message), Err(("interval_micros", BadDetail::Interval)), "{micros}");
        }
    }
}
