//! Decimal numbers of any length, parsed from text: digits and the place of the point.

use std::cmp::Ordering;

use super::ParseDecimalError;

/// A rounded value may differ by one part in so many.
const PARTS: u128 = 1_000_000;

/// Every number of so many digits fits 64 bits.
const PLAIN_DIGITS: usize = 18;

/// The magnitude of a positive number in units of 10^-`places`, where it is written as prices are: few digits, perhaps a point, no
/// sign, no exponent, and no more digits on either side of the point than are taken. `None`: [`Number`] reads it.
pub(super) fn plain(text: &str, places: u32, whole_digits: usize) -> Option<u128> {
    let (whole, part) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let fits = whole.len() <= whole_digits && whole.len() + part.len() <= PLAIN_DIGITS;
    if whole.is_empty() || !fits {
        return None;
    }
    let mut digits = 0_u64;
    for byte in whole.bytes().chain(part.bytes()) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        digits = digits * 10 + u64::from(digit);
    }
    let missing = places.checked_sub(u32::try_from(part.len()).ok()?)?;
    (digits > 0).then(|| u128::from(digits) * 10_u128.pow(missing))
}

/// A decimal number.
pub(super) struct Number {
    negative: bool,
    /// No leading and no trailing zeros, "0" for zero.
    digits: String,
    /// Power of ten of the last digit.
    exponent: i64,
}

impl Number {
    /// Parses the grammar of a JSON number; leading zeros are allowed too.
    pub(super) fn parse(text: &str) -> Result<Self, ParseDecimalError> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, part) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(ParseDecimalError::NotANumber),
            Some((whole, part)) => (whole, part),
            None => (mantissa, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(part) {
            return Err(ParseDecimalError::NotANumber);
        }
        let joined = format!("{whole}{part}");
        let digits = joined.trim_end_matches('0');
        let dropped = i64::try_from(joined.len() - digits.len()).unwrap_or(i64::MAX);
        let places = i64::try_from(part.len()).unwrap_or(i64::MAX);
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self { negative, digits: "0".to_owned(), exponent: 0 });
        }
        Ok(Self {
            negative,
            digits: digits.to_owned(),
            exponent: exponent.saturating_add(dropped).saturating_sub(places),
        })
    }

    /// Whether it is written with a minus.
    pub(super) const fn is_negative(&self) -> bool {
        self.negative
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits == "0"
    }

    pub(super) const fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// Whether both are the same number, however each was written.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_sign = self.negative == other.negative || self.is_zero();
        same_sign && self.digits == other.digits && self.exponent == other.exponent
    }

    /// The significant digits.
    pub(super) fn digits(&self) -> &str {
        &self.digits
    }

    /// Digits after the point.
    pub(super) fn places(&self) -> u32 {
        u32::try_from(self.exponent.saturating_neg().max(0)).unwrap_or(u32::MAX)
    }

    /// The magnitude in units of 10^-`places`.
    pub(super) fn fixed(&self, places: u32, whole_digits: usize) -> Result<u128, ParseDecimalError> {
        if self.is_zero() {
            return Ok(0);
        }
        self.check_size(whole_digits)?;
        if self.places() > places {
            return Err(ParseDecimalError::TooFine(places));
        }
        self.truncated(places).ok_or(ParseDecimalError::TooLarge(whole_digits))
    }

    /// The magnitude in units of 10^-`places`, rounded half-even; whether it was rounded.
    pub(super) fn half_even(&self, places: u32, whole_digits: usize) -> Result<(u128, bool), ParseDecimalError> {
        self.check_size(whole_digits)?;
        if self.places() <= places {
            return self.fixed(places, whole_digits).map(|units| (units, false));
        }
        let kept = self.truncated(places).ok_or(ParseDecimalError::TooLarge(whole_digits))?;
        let is_up = self.beyond(places).is_some_and(|rest| rounds_up(rest, kept));
        Ok((kept + u128::from(is_up), true))
    }

    /// The digits behind the last of so many places, or `None` where the first of them are zeros.
    fn beyond(&self, places: u32) -> Option<&[u8]> {
        let beyond = usize::try_from(self.places().saturating_sub(places)).unwrap_or(usize::MAX);
        self.digits.as_bytes().get(self.digits.len().checked_sub(beyond)?..)
    }

    /// The magnitude in units of 10^-`places`, rounded half-even where that moves it by one part in [`PARTS`] at most;
    /// whether it was rounded.
    pub(super) fn rounded(&self, places: u32, whole_digits: usize) -> Result<(u128, bool), ParseDecimalError> {
        self.check_size(whole_digits)?;
        if self.places() <= places {
            return self.fixed(places, whole_digits).map(|units| (units, false));
        }
        let kept = self.truncated(places).ok_or(ParseDecimalError::TooLarge(whole_digits))?;
        let too_fine = ParseDecimalError::TooFineToRound(places);
        // Not even the first digit beyond the last place: it would be rounded to zero.
        let rest = self.beyond(places).ok_or(too_fine)?;
        let up = rounds_up(rest, kept);
        // With f the fraction beyond: f * PARTS <= kept + f, or (1 - f) * PARTS <= kept + f, each solved for f.
        let close = kept >= PARTS
            || if up {
                compare(rest, PARTS - kept, PARTS + 1) != Ordering::Less
            } else {
                kept >= PARTS - 1 || compare(rest, kept, PARTS - 1) != Ordering::Greater
            };
        let units = kept + u128::from(up);
        let whole = u32::try_from(whole_digits).ok().and_then(|whole| 10_u128.checked_pow(whole + places));
        if whole.is_some_and(|end| units >= end) {
            return Err(ParseDecimalError::TooLarge(whole_digits));
        }
        if close { Ok((units, true)) } else { Err(too_fine) }
    }

    /// The magnitude in units of 10^-`places`, rounded down. `None`: beyond 128 bits.
    pub(super) fn truncated(&self, places: u32) -> Option<u128> {
        if self.is_zero() {
            return Some(0);
        }
        let power = self.exponent.saturating_add(i64::from(places));
        if let Ok(power) = u64::try_from(power) {
            let scale = 10_u128.checked_pow(u32::try_from(power).ok()?)?;
            return self.digits.parse::<u128>().ok()?.checked_mul(scale);
        }
        let beyond = usize::try_from(power.unsigned_abs()).unwrap_or(usize::MAX);
        match self.digits.len().checked_sub(beyond) {
            None | Some(0) => Some(0),
            Some(kept) => self.digits.get(..kept)?.parse().ok(),
        }
    }

    fn check_size(&self, whole_digits: usize) -> Result<(), ParseDecimalError> {
        let length = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        let whole = length.saturating_add(self.exponent);
        if whole > i64::try_from(whole_digits).unwrap_or(i64::MAX) {
            return Err(ParseDecimalError::TooLarge(whole_digits));
        }
        Ok(())
    }
}

/// Whether 0.`rest` units behind `kept` units are rounded up, half-even.
fn rounds_up(rest: &[u8], kept: u128) -> bool {
    match compare(rest, 1, 2) {
        Ordering::Less => false,
        Ordering::Equal => kept % 2 == 1,
        Ordering::Greater => true,
    }
}

/// Compares 0.`digits` with `numerator` / `denominator`, which is below 1, digit by digit as in a division by hand.
fn compare(digits: &[u8], numerator: u128, denominator: u128) -> Ordering {
    let mut rest = numerator;
    for digit in digits {
        rest *= 10;
        let other = rest / denominator;
        rest %= denominator;
        match u128::from(digit - b'0').cmp(&other) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    if rest == 0 { Ordering::Equal } else { Ordering::Less }
}

fn parse_exponent(text: &str) -> Result<i64, ParseDecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseDecimalError::NotANumber);
    }
    // An exponent too long to be read is far out of every range, in the direction of its sign.
    let magnitude = digits.parse::<i64>().unwrap_or(i64::from(i32::MAX)).min(i64::from(i32::MAX));
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_number_is_read_as_any_other(text in "[0-9]{0,14}(\\.[0-9]{0,12})?|[0-9.eE+-]{0,8}") {
            if let Some(units) = plain(&text, 10, 12) {
                let number = Number::parse(&text).unwrap();
                prop_assert_eq!(number.fixed(10, 12), Ok(units), "{}", text);
                prop_assert!(!number.is_negative() && units > 0);
            }
        }
    }

    #[test]
    fn usual_prices_are_plain() {
        for (text, units) in [("3.45", 34_500_000_000), ("345", 3_450_000_000_000), ("000.50", 5_000_000_000)] {
            assert_eq!(plain(text, 10, 12), Some(units), "{text}");
        }
    }
}
