//! The checker's own arithmetic: plain 128-bit integers in the smallest unit, overflow an error.
//!
//! It shares nothing with the code under test, which keeps 256-bit integers.

use anyhow::{Context as _, ensure};

/// Smallest units of a price: 10 decimals.
pub const PRICE_PLACES: u32 = 10;
/// Smallest units of a quantity: 8 decimals.
pub const QUANTITY_PLACES: u32 = 8;
/// Cents.
pub const MONEY_PLACES: u32 = 2;

/// A plain decimal in units of 10^-`places`. More digits than that, an exponent, a sign in the middle: an error.
pub fn units(text: &str, places: u32) -> anyhow::Result<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let room = usize::try_from(places)?;
    let plain = !whole.is_empty() && whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
    ensure!(plain && part.len() <= room, "{text:?} is no decimal of at most {places} places");
    let padded = format!("{whole}{part:0<room$}");
    Ok(sign * padded.parse::<i128>().with_context(|| format!("{text:?}"))?)
}

/// Cents as `1234.56`.
pub fn money(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

/// Units of 10^-`places` without trailing zeros.
pub fn plain(units: i128, places: u32) -> String {
    let digits = format!("{units:0width$}", width = places as usize + 1);
    let (whole, part) = digits.split_at(digits.len() - places as usize);
    let part = part.trim_end_matches('0');
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

/// What an amount buys: amount / price, 8 places, rounded down.
pub fn bought(cents: i128, price: i128) -> anyhow::Result<i128> {
    share(cents, 10_i128.pow(PRICE_PLACES + QUANTITY_PLACES - MONEY_PLACES), price)
}

/// What a sale brings: quantity x price, cents, rounded down.
pub fn proceeds(quantity: i128, price: i128) -> anyhow::Result<i128> {
    share(quantity, price, 10_i128.pow(PRICE_PLACES + QUANTITY_PLACES - MONEY_PLACES))
}

/// `a` x `b` / `c`, rounded down. For numbers that are not negative.
pub fn share(a: i128, b: i128, c: i128) -> anyhow::Result<i128> {
    ensure!(a >= 0 && b >= 0 && c > 0, "{a} x {b} / {c}");
    Ok(a.checked_mul(b).with_context(|| format!("{a} x {b} does not fit 128 bits"))? / c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_printed() {
        assert_eq!(units("3.45", PRICE_PLACES).unwrap(), 34_500_000_000);
        assert_eq!(units("-0.05", MONEY_PLACES).unwrap(), -5);
        assert!(units("0.005", MONEY_PLACES).is_err());
        assert!(units("1e3", MONEY_PLACES).is_err());
        assert_eq!(money(-5), "-0.05");
        assert_eq!(plain(357_843_478, QUANTITY_PLACES), "3.57843478");
        assert_eq!(plain(500_000_000, QUANTITY_PLACES), "5");
    }

    #[test]
    fn the_example_of_the_documents() {
        let price = units("345", PRICE_PLACES).unwrap();
        assert_eq!(plain(bought(123_456, price).unwrap(), QUANTITY_PLACES), "3.57843478");
    }
}
