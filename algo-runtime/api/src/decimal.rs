//! Exact decimals: parsed from text, kept as integers, printed as text. Binary floating point never comes in.
//!
//! Every product and quotient goes through 256-bit integers and rounds down, towards zero, so that rounding never makes
//! money. Results beyond [`LIMIT`] are `None`: the caller denies the trade.

mod number;
mod text;
mod value;

use std::{fmt, str::FromStr};

use ethnum::U256;

pub use self::value::Value;
use self::{number::Number, text::Text};

/// Largest magnitude of any sum or quantity, in its own smallest unit: 10^36. Far beyond every real account, and small
/// enough that no intermediate result leaves 256 bits.
pub const LIMIT: u128 = 10_u128.pow(36);

const PRICE_PLACES: u32 = 10;
const PRICE_WHOLE_DIGITS: usize = 12;
/// The least number of units that no price has: one digit before the point too many.
const PRICE_END: u128 = 10_u128.pow(12 + PRICE_PLACES);
const QUANTITY_PLACES: u32 = 8;
/// Every quantity with so many digits before the point is below [`LIMIT`].
const QUANTITY_WHOLE_DIGITS: usize = 28;
const MONEY_PLACES: u32 = 2;
/// Smallest units of (quantity x price) in one smallest unit of money.
const PRODUCT_PER_CENT: u128 = 10_u128.pow(PRICE_PLACES + QUANTITY_PLACES - MONEY_PLACES);

/// Why text is no decimal of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    /// Not digits with an optional point and exponent.
    #[error("is not a decimal number")]
    NotANumber,
    /// Below zero, or zero where more is asked for.
    #[error("must be more than 0")]
    NotPositive,
    /// Below zero, where zero is allowed.
    #[error("must not be below 0")]
    Negative,
    /// More digits before the point than the kind has room for.
    #[error("has more than {0} digits before the point")]
    TooLarge(usize),
    /// More digits after the point than the kind has room for.
    #[error("has more than {0} digits after the point")]
    TooFine(u32),
    /// More digits after the point than the kind has room for, and rounding would move the value by more than a millionth.
    #[error("has more than {0} digits after the point, and rounded to {0} it would differ by more than a millionth")]
    TooFineToRound(u32),
}

/// Price of one unit: positive, at most 12 digits before and 10 after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u128);

/// Units of a symbol: zero or more, 8 places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(u128);

/// A sum of money: 2 places, with a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i128);

/// A share of something, 0 to 1, as exact as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    digits: u128,
    places: u32,
}

impl Price {
    /// The price in units of 10^-10.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// A price given in units of 10^-10. `None`: zero, or more digits than a price has.
    pub const fn from_units(units: u128) -> Option<Self> {
        if units == 0 || units >= PRICE_END { None } else { Some(Self(units)) }
    }

    /// Parses as [`Price::from_str`] does, and rounds more than 10 digits after the point half-even to 10, where that
    /// moves the price by at most one part in 10^6: a binary float that was printed in full is as good as it ever was,
    /// while a price too small to be kept is still refused. Returns whether it rounded.
    pub fn rounded(text: &str) -> Result<(Self, bool), ParseDecimalError> {
        if let Some(units) = number::plain(text, PRICE_PLACES, PRICE_WHOLE_DIGITS) {
            return Ok((Self(units), false));
        }
        let number = Number::parse(text)?;
        if number.is_negative() || number.is_zero() {
            return Err(ParseDecimalError::NotPositive);
        }
        let (units, rounded) = number.rounded(PRICE_PLACES, PRICE_WHOLE_DIGITS)?;
        Ok((Self(units), rounded))
    }
}

/// The middle of two prices, exactly: a number with up to 11 places, one more than a price has.
pub fn middle(one: Price, other: Price) -> String {
    let units = (one.0 + other.0) * 5;
    let scale = 10_u128.pow(PRICE_PLACES + 1);
    format!("{}.{:011}", units / scale, units % scale)
}

impl FromStr for Price {
    type Err = ParseDecimalError;

    /// Parses the grammar of a JSON number, exponent included, exactly.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(units) = number::plain(text, PRICE_PLACES, PRICE_WHOLE_DIGITS) {
            return Ok(Self(units));
        }
        let number = Number::parse(text)?;
        let units = number.fixed(PRICE_PLACES, PRICE_WHOLE_DIGITS)?;
        if number.is_negative() || units == 0 {
            return Err(ParseDecimalError::NotPositive);
        }
        Ok(Self(units))
    }
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The quantity in units of 10^-8.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// A quantity given in units of 10^-8. `None`: more than [`LIMIT`].
    pub const fn from_units(units: u128) -> Option<Self> {
        if units > LIMIT { None } else { Some(Self(units)) }
    }

    /// What `amount` buys at `price`, rounded down. `None`: more than [`LIMIT`], or a negative amount.
    pub fn bought(amount: Money, price: Price) -> Option<Self> {
        let cents = u128::try_from(amount.0).ok()?;
        mul_div(cents, PRODUCT_PER_CENT, price.0).map(Self)
    }

    /// Sum, unless beyond [`LIMIT`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).filter(|sum| *sum <= LIMIT).map(Self)
    }

    /// Difference, unless below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Parses a number that is not below zero, with at most 28 digits before the point. More than 8 digits after it are rounded
    /// as [`Price::rounded`] rounds more than 10. Returns whether it rounded.
    pub fn rounded(text: &str) -> Result<(Self, bool), ParseDecimalError> {
        if let Some(units) = number::plain(text, QUANTITY_PLACES, QUANTITY_WHOLE_DIGITS) {
            return Ok((Self(units), false));
        }
        let number = Number::parse(text)?;
        if number.is_zero() {
            return Ok((Self::ZERO, false));
        }
        if number.is_negative() {
            return Err(ParseDecimalError::Negative);
        }
        let (units, rounded) = number.rounded(QUANTITY_PLACES, QUANTITY_WHOLE_DIGITS)?;
        Ok((Self(units), rounded))
    }
}

impl FromStr for Quantity {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = Number::parse(text)?;
        if number.is_negative() {
            return Err(ParseDecimalError::NotPositive);
        }
        number.fixed(QUANTITY_PLACES, 29).map(Self)
    }
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A sum given in hundredths.
    pub const fn from_cents(cents: i128) -> Self {
        Self(cents)
    }

    /// The sum in hundredths.
    pub const fn cents(self) -> i128 {
        self.0
    }

    /// What `quantity` brings at `price`, rounded down. `None`: more than [`LIMIT`].
    pub fn proceeds(quantity: Quantity, price: Price) -> Option<Self> {
        mul_div(quantity.0, price.0, PRODUCT_PER_CENT).and_then(Self::from_unsigned)
    }

    /// The share of this cost that `sold` out of `held` units carry, rounded down. `None`: nothing is held, more is sold
    /// than held, or the cost is negative.
    pub fn cost_share(self, sold: Quantity, held: Quantity) -> Option<Self> {
        if sold > held || held.is_zero() {
            return None;
        }
        mul_div(u128::try_from(self.0).ok()?, sold.0, held.0).and_then(Self::from_unsigned)
    }

    /// `fraction` of the sum, rounded down. `None`: the sum is negative.
    pub fn fraction(self, fraction: Fraction) -> Option<Self> {
        let cents = u128::try_from(self.0).ok()?;
        match 10_u128.checked_pow(fraction.places) {
            Some(scale) => mul_div(cents, fraction.digits, scale).and_then(Self::from_unsigned),
            // Fewer than 10^38 parts of at most 10^36 hundredths: nothing is left after rounding down.
            None => Some(Self::ZERO),
        }
    }

    /// `numerator` / 2^`bits` of the sum, rounded down: what a random number of so many bits stands for. `None`: the
    /// sum is negative, or `bits` is above 64.
    pub fn binary_fraction(self, numerator: u64, bits: u32) -> Option<Self> {
        if bits > 64 {
            return None;
        }
        let cents = u128::try_from(self.0).ok()?;
        mul_div(cents, u128::from(numerator), 1_u128 << bits).and_then(Self::from_unsigned)
    }

    /// Sum, unless beyond [`LIMIT`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self).filter(Self::within_limit)
    }

    /// Difference, unless beyond [`LIMIT`].
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self).filter(Self::within_limit)
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    fn within_limit(&self) -> bool {
        self.0.unsigned_abs() <= LIMIT
    }

    fn from_unsigned(cents: u128) -> Option<Self> {
        i128::try_from(cents).ok().map(Self)
    }
}

impl FromStr for Money {
    type Err = ParseDecimalError;

    /// Parses a sum with an optional sign and at most two places.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = Number::parse(text)?;
        let cents = number.fixed(MONEY_PLACES, 34)?;
        let cents = i128::try_from(cents).map_err(|_| ParseDecimalError::TooLarge(34))?;
        Ok(Self(if number.is_negative() { -cents } else { cents }))
    }
}

impl Fraction {
    /// The share that the shortest text of a binary number names: 0.1 is one tenth. `None`: not in 0 to 1.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&value) {
            return None;
        }
        format!("{value}").parse().ok()
    }

    /// Whether it is nothing at all.
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }
}

impl FromStr for Fraction {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = Number::parse(text)?;
        let places = number.places();
        // More than 36 significant digits never come out of a binary number's shortest text.
        let digits = number.digits().parse::<u128>().map_err(|_| ParseDecimalError::TooFine(36))?;
        let one = 10_u128.checked_pow(places);
        if number.is_negative() && digits != 0 {
            return Err(ParseDecimalError::NotPositive);
        }
        if digits >= LIMIT * 10 {
            return Err(ParseDecimalError::TooFine(36));
        }
        if one.is_some_and(|one| digits > one) {
            return Err(ParseDecimalError::TooLarge(1));
        }
        Ok(Self { digits, places })
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::trimmed(self.0, PRICE_PLACES).as_str())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::trimmed(self.0, QUANTITY_PLACES).as_str())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::money(self.0 < 0, self.0.unsigned_abs(), MONEY_PLACES).as_str())
    }
}

/// The integer that decimal text stands for, as in `2`, `2.0` and `2e0`. `None`: no number, no integer, or beyond 128 bits.
pub fn integer(text: &str) -> Option<i128> {
    let number = Number::parse(text).ok()?;
    let magnitude = if number.is_integer() { number.truncated(0)? } else { return None };
    signed(&number, magnitude)
}

/// A number in units of 10^-`places`, rounded towards zero. `None`: no number, or beyond 128 bits.
pub fn truncated(text: &str, places: u32) -> Option<i128> {
    let number = Number::parse(text).ok()?;
    signed(&number, number.truncated(places)?)
}

/// Whether two texts are the same number, however each is written. `None`: one of them is no number.
pub fn same_number(one: &str, other: &str) -> Option<bool> {
    Some(Number::parse(one).ok()?.is(&Number::parse(other).ok()?))
}

fn signed(number: &Number, magnitude: u128) -> Option<i128> {
    let magnitude = i128::try_from(magnitude).ok()?;
    Some(if number.is_negative() { -magnitude } else { magnitude })
}

/// `a` x `b` / `c`, rounded down; `None` for c = 0 and for results beyond [`LIMIT`].
fn mul_div(a: u128, b: u128, c: u128) -> Option<u128> {
    if c == 0 {
        return None;
    }
    // Amounts and prices of real accounts.
    if let Some(product) = a.checked_mul(b) {
        return Some(product / c).filter(|value| *value <= LIMIT);
    }
    // Both factors fit 128 bits, so that their product fits 256.
    let quotient = U256::from(a) * U256::from(b) / U256::from(c);
    u128::try_from(quotient).ok().filter(|value| *value <= LIMIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_is_read_exactly_and_printed_without_padding() {
        for (text, printed) in [
            ("345", "345"),
            ("3.45", "3.45"),
            ("0.0000000001", "0.0000000001"),
            ("999999999999.9999999999", "999999999999.9999999999"),
            ("100.3350", "100.335"),
            ("1e2", "100"),
            ("12.5E-1", "1.25"),
            ("000.50", "0.5"),
        ] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_told_why() {
        use ParseDecimalError::{NotANumber, NotPositive, TooFine, TooLarge};
        for (text, error) in [
            ("", NotANumber),
            ("NaN", NotANumber),
            ("+1", NotANumber),
            (".5", NotANumber),
            ("5.", NotANumber),
            ("1e", NotANumber),
            ("1 ", NotANumber),
            ("-1", NotPositive),
            ("0", NotPositive),
            ("0e400", NotPositive),
            ("1e400", TooLarge(12)),
            ("1e99999999999999999999", TooLarge(12)),
            ("1234567890123", TooLarge(12)),
            ("1234567890123456789012345678901234567890", TooLarge(12)),
            ("0.00000000001", TooFine(10)),
            ("1e-400", TooFine(10)),
        ] {
            assert_eq!(text.parse::<Price>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_quantity_may_be_zero_and_float_noise_of_it_is_rounded() {
        use ParseDecimalError::{Negative, NotANumber, TooFineToRound, TooLarge};
        for (text, quantity, rounded) in [
            ("0", "0", false),
            ("-0.0", "0", false),
            ("0e9", "0", false),
            ("9616100", "9616100", false),
            ("1.5e3", "1500", false),
            ("0.00000001", "0.00000001", false),
            ("0.30000000000000004", "0.3", true),
            ("9999999999999999999999999999.99999999", "9999999999999999999999999999.99999999", false),
        ] {
            let read = Quantity::rounded(text).map(|(quantity, rounded)| (quantity.to_string(), rounded));
            assert_eq!(read, Ok((quantity.to_owned(), rounded)), "{text}");
        }
        for (text, error) in [
            ("", NotANumber),
            ("1,234", NotANumber),
            ("-1", Negative),
            ("1e-9", TooFineToRound(8)),
            ("10000000000000000000000000000", TooLarge(28)),
            ("9999999999999999999999999999.999999999", TooLarge(28)),
        ] {
            assert_eq!(Quantity::rounded(text), Err(error), "{text}");
        }
    }

    #[test]
    fn float_noise_is_rounded_half_even_within_a_millionth() {
        for (text, price) in [
            ("41.20000076293945", "41.2000007629"),
            ("41.349998474121094", "41.3499984741"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("1.00000000005", "1"),
            ("1.00000000015", "1.0000000002"),
            ("1.00000000025", "1.0000000002"),
            ("1.000000000250000000000000000000000000000000000000000000000000000001", "1.0000000003"),
            ("999999999999.99999999994", "999999999999.9999999999"),
            // 100.0001 in units of the last place, so that it moves by just less than a millionth.
            ("0.00000001000001", "0.00000001"),
            ("0.00000000009999999", "0.0000000001"),
            ("4120000076293945e-14", "41.2000007629"),
        ] {
            let read = Price::rounded(text).map(|(price, rounded)| (price.to_string(), rounded));
            assert_eq!(read, Ok((price.to_owned(), true)), "{text}");
        }
        for text in ["3.450", "41.2000007629", "1e-10", "2.5E-6", "0.10000000000000"] {
            assert_eq!(Price::rounded(text), text.parse().map(|price| (price, false)), "{text}");
        }
        for text in ["1.7e-10", "1.2e-11", "2.5e-11", "1e-400", "0.00000001000002", "0.0000000000999", "1e-99999999999"]
        {
            assert_eq!(Price::rounded(text), Err(ParseDecimalError::TooFineToRound(10)), "{text}");
        }
        for (text, error) in [
            ("999999999999.99999999996", ParseDecimalError::TooLarge(12)),
            ("1234567890123.00000000001", ParseDecimalError::TooLarge(12)),
            ("-1e400", ParseDecimalError::NotPositive),
            ("0.000000000000", ParseDecimalError::NotPositive),
            ("1,5", ParseDecimalError::NotANumber),
        ] {
            assert_eq!(Price::rounded(text), Err(error), "{text}");
        }
    }

    #[test]
    fn integers_and_other_numbers_are_read_from_any_notation() {
        for (text, value) in [("2", 2), ("2.0", 2), ("2e0", 2), ("20e-1", 2), ("-7", -7), ("-0.0", 0), ("1.5e3", 1_500)]
        {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in ["2.5", "1e400", "1e-1", "", "x", " 2", "+2", "0x10", "1e39"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!(truncated("1700000000.1234567", 6), Some(1_700_000_000_123_456));
        assert_eq!(truncated("-0.19", 1), Some(-1));
        assert_eq!(truncated("1e-400", 6), Some(0));
        assert_eq!(truncated("1e400", 6), None);
        assert_eq!(same_number("3.450", "345e-2"), Some(true));
        assert_eq!(same_number("-0", "0.00"), Some(true));
        assert_eq!(same_number("3.45", "3.450000000001"), Some(false));
        assert_eq!(same_number("3.45", "USD"), None);
    }

    #[test]
    fn money_has_two_places_and_a_sign() {
        assert_eq!("10000".parse::<Money>().unwrap().to_string(), "10000.00");
        assert_eq!("-0.05".parse::<Money>().unwrap().to_string(), "-0.05");
        assert_eq!("10000.555".parse::<Money>(), Err(ParseDecimalError::TooFine(2)));
    }

    #[test]
    fn a_fraction_is_the_shortest_text_of_its_number() {
        let sum = Money::from_cents(10_000_000);
        assert_eq!(sum.fraction(Fraction::from_f64(0.1).unwrap()), Some(Money::from_cents(1_000_000)));
        assert_eq!(sum.fraction(Fraction::from_f64(1.0).unwrap()), Some(sum));
        assert_eq!(sum.fraction(Fraction::from_f64(1e-300).unwrap()), Some(Money::ZERO));
        assert_eq!(Fraction::from_f64(1.5), None);
        assert_eq!(Fraction::from_f64(f64::NAN), None);
        assert_eq!("1.1".parse::<Fraction>(), Err(ParseDecimalError::TooLarge(1)));
    }

    #[test]
    fn a_trade_beyond_the_limit_is_refused() {
        let cheap: Price = "0.0000000001".parse().unwrap();
        assert_eq!(Quantity::bought(Money::from_cents(10_i128.pow(36)), cheap), None);
    }

    /// The quotient by 256-bit integers alone.
    fn wide(a: u128, b: u128, c: u128) -> Option<u128> {
        u128::try_from(U256::from(a) * U256::from(b) / U256::from(c)).ok().filter(|value| *value <= LIMIT)
    }

    fn factors() -> impl Strategy<Value = u128> {
        prop_oneof![0..10_u128.pow(10), 0..10_u128.pow(20), any::<u128>(), Just(u128::MAX), Just(LIMIT)]
    }

    proptest! {
        #[test]
        fn product_is_the_same_in_128_and_in_256_bits(a in factors(), b in factors(), c in factors()) {
            prop_assert_eq!(mul_div(a, b, c), (c > 0).then(|| wide(a, b, c)).flatten());
        }

        #[test]
        fn a_buy_never_costs_less_than_it_brings_back(cents in 1_i128..10_i128.pow(18), units in 1_u128..10_u128.pow(22)) {
            let (amount, price) = (Money::from_cents(cents), Price(units));
            let quantity = Quantity::bought(amount, price).unwrap();
            prop_assert!(Money::proceeds(quantity, price).unwrap() <= amount);
        }

        #[test]
        fn quotients_are_those_of_exact_integers(cents in 0_i128..10_i128.pow(16), units in 10_u128.pow(6)..10_u128.pow(22)) {
            // Small enough for 128 bits, so that the plain integers are an independent witness.
            let exact = cents.cast_unsigned() * 10_u128.pow(16) / units;
            prop_assert_eq!(Quantity::bought(Money::from_cents(cents), Price(units)).unwrap().units(), exact);
        }

        #[test]
        fn every_price_prints_what_it_was_read_from(units in 1_u128..10_u128.pow(22)) {
            let price = Price(units);
            prop_assert_eq!(price.to_string().parse::<Price>().unwrap(), price);
        }

        #[test]
        fn rounding_is_half_even_and_moves_by_a_millionth_at_most(
            kept in 0_u128..10_u128.pow(9), rest in "[0-9]{1,9}", big in 0_u128..10_u128.pow(11), large: bool,
        ) {
            let kept = if large { kept * 10_u128.pow(6) + big } else { kept % 3_000_000 };
            let tail = format!("{rest:0<9}").parse::<u128>().unwrap();
            let text = format!("{}.{:010}{rest}", kept / 10_u128.pow(10), kept % 10_u128.pow(10));
            // In units of 10^-19, which 128 bits hold, so that the plain integers are an independent witness.
            let (unit, value) = (10_u128.pow(9), kept * 10_u128.pow(9) + tail);
            let up = tail * 2 > unit || (tail * 2 == unit && kept % 2 == 1);
            let nearest = kept + u128::from(up);
            let moved = value.abs_diff(nearest * unit);
            let expected = if value == 0 {
                Err(ParseDecimalError::NotPositive)
            } else if moved * 1_000_000 > value {
                Err(ParseDecimalError::TooFineToRound(10))
            } else {
                Ok((Price(nearest), moved != 0))
            };
            prop_assert_eq!(Price::rounded(&text), expected, "{}", text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+0-9.eE]{0,45}|\\PC*") {
            let parsed = [text.parse::<Price>().is_ok(), text.parse::<Money>().is_ok(), text.parse::<Fraction>().is_ok()];
            prop_assert!(parsed.len() == 3);
            prop_assert!(Price::rounded(&text).is_ok() || !parsed[0]);
            prop_assert!(integer(&text).is_none() || truncated(&text, 0) == integer(&text));
        }
    }
}
