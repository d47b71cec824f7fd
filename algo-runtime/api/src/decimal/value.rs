//! The values of indicators.

use std::{fmt, str::FromStr};

use super::{ParseDecimalError, number::Number, text::Text};

const PLACES: u32 = 10;
const WHOLE_DIGITS: usize = 16;
/// The least magnitude, in units of 10^-10, that no value has.
const END: i128 = 10_i128.pow(16 + PLACES);

/// A value of an indicator: a decimal with a sign, at most 16 digits before and 10 after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Value(i128);

impl Value {
    /// The value in units of 10^-10.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// A value given in units of 10^-10. `None`: more digits than a value has.
    pub const fn from_units(units: i128) -> Option<Self> {
        if units <= -END || units >= END { None } else { Some(Self(units)) }
    }
}

impl Value {
    /// Parses as [`Value::from_str`] does, and rounds more than 10 digits after the point half-even to 10. Nothing is traded at a
    /// value, so that one too small to be kept is zero, unlike a price. Returns whether it rounded.
    pub fn rounded(text: &str) -> Result<(Self, bool), ParseDecimalError> {
        let number = Number::parse(text)?;
        let (units, rounded) = number.half_even(PLACES, WHOLE_DIGITS)?;
        Ok((Self::signed(units, &number)?, rounded))
    }

    fn signed(units: u128, number: &Number) -> Result<Self, ParseDecimalError> {
        let units = i128::try_from(units).map_err(|_| ParseDecimalError::TooLarge(WHOLE_DIGITS))?;
        let units = if number.is_negative() { -units } else { units };
        Self::from_units(units).ok_or(ParseDecimalError::TooLarge(WHOLE_DIGITS))
    }
}

impl FromStr for Value {
    type Err = ParseDecimalError;

    /// Parses the grammar of a JSON number, exponent included, exactly.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = Number::parse(text)?;
        Self::signed(number.fixed(PLACES, WHOLE_DIGITS)?, &number)
    }
}

impl fmt::Display for Value {
    /// In plain notation, without zeros at the end of the fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Text::trimmed(self.0.unsigned_abs(), PLACES).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_a_sign_and_ten_places() {
        for text in ["0", "-0.4377327039", "44.104", "100", "-9999999999999999.9999999999"] {
            assert_eq!(text.parse::<Value>().unwrap().to_string(), text);
        }
        assert_eq!("-1.50e1".parse::<Value>().unwrap().to_string(), "-15");
        assert_eq!("-0".parse::<Value>().unwrap().to_string(), "0");
        for text in ["", "-", "NaN", "0.00000000001", "10000000000000000", "1,5"] {
            assert!(text.parse::<Value>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn more_than_ten_places_are_rounded_half_even() {
        for (text, expected, rounded) in [
            ("44.104", "44.104", false),
            ("43.60000000000002", "43.6", true),
            ("-0.437732703923039", "-0.4377327039", true),
            ("0.00000000015", "0.0000000002", true),
            ("0.00000000025", "0.0000000002", true),
            ("-0.000000000251", "-0.0000000003", true),
            ("1e-11", "0", true),
            ("-1e-400000000000", "0", true),
            ("0.000", "0", false),
            ("9999999999999999.99999999994", "9999999999999999.9999999999", true),
        ] {
            let (value, was_rounded) = Value::rounded(text).unwrap();
            assert_eq!((value.to_string().as_str(), was_rounded), (expected, rounded), "{text}");
        }
        for text in ["9999999999999999.99999999995", "1e16", "1e400000000000", "x", ""] {
            assert!(Value::rounded(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn largest_value_has_sixteen_digits_before_the_point() {
        assert_eq!(Value::from_units(END - 1).unwrap().to_string(), "9999999999999999.9999999999");
        assert_eq!((Value::from_units(END), Value::from_units(-END)), (None, None));
    }
}
