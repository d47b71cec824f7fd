//! Decimals and times, parsed and printed without the code under test.

/// Places of a price.
pub(super) const PRICE_PLACES: u32 = 10;
/// Places of a quantity.
pub(super) const QUANTITY_PLACES: u32 = 8;
/// Places of money.
pub(super) const MONEY_PLACES: u32 = 2;

/// Text in plain notation, with an optional sign, in units of 10^-places. `None`: it is something else, or finer, or too
/// large.
pub(super) fn units(text: &str, places: u32) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let part = part.trim_end_matches('0');
    let missing = places.checked_sub(u32::try_from(part.len()).ok()?)?;
    let whole: i128 = whole.parse().ok()?;
    let part: i128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let value = whole
        .checked_mul(10_i128.checked_pow(places)?)?
        .checked_add(part.checked_mul(10_i128.checked_pow(missing)?)?)?;
    Some(if negative { -value } else { value })
}

/// One factor times another through a divisor, rounded down; none of them negative. The product itself may exceed 128 bits: it
/// is divided bit by bit of the first factor.
pub(super) fn share(one: i128, other: i128, divisor: i128) -> Option<i128> {
    if let Some(product) = one.checked_mul(other) {
        return product.checked_div(divisor);
    }
    let (one, other, divisor) = (u128::try_from(one).ok()?, u128::try_from(other).ok()?, u128::try_from(divisor).ok()?);
    let (mut quotient, mut rest) = (0_u128, 0_u128);
    for bit in (0..u128::BITS).rev() {
        let added = if one >> bit & 1 == 1 { other } else { 0 };
        let sum = rest.checked_mul(2)?.checked_add(added)?;
        quotient = quotient.checked_mul(2)?.checked_add(sum.checked_div(divisor)?)?;
        rest = sum % divisor;
    }
    i128::try_from(quotient).ok()
}

/// Cents as text.
pub(super) fn money(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// A time of the epoch as `2026-01-02T03:04:05.678Z`, by the calendar arithmetic of Howard Hinnant (`civil_from_days`).
pub(super) fn timestamp(micros: i64) -> String {
    let millis = micros.div_euclid(1_000);
    let (days, in_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_in_their_units() {
        assert_eq!(units("345", PRICE_PLACES), Some(3_450_000_000_000));
        assert_eq!(units("-0.01", MONEY_PLACES), Some(-1));
        assert_eq!(units("1.500", MONEY_PLACES), Some(150));
        assert_eq!([units("1.005", MONEY_PLACES), units("1e3", 2), units("", 2), units(".5", 2)], [None; 4]);
        assert_eq!((money(-5), money(123_456)), ("-0.05".to_owned(), "1234.56".to_owned()));
    }

    #[test]
    fn shares_of_large_sums_are_exact() {
        let (cents, units, all) =
            (132_067_426_191_322_884, 123_456_789_012_345_678_901_234, 999_999_999_999_999_999_999_999);
        // 132067426191322884 x 123456789012345678901234 / 999999999999999999999999.
        assert_eq!(share(cents, units, all), Some(16_304_620_370_705_684));
        assert_eq!(share(7, 3, 2), Some(10));
        assert_eq!((share(i128::MAX, 2, 2), share(i128::MAX, 3, 2)), (Some(i128::MAX), None));
    }

    #[test]
    fn times_are_printed_as_the_calendar_has_them() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_767_323_045_678_901), "2026-01-02T03:04:05.678Z");
        assert_eq!(timestamp(951_782_400_000_000), "2000-02-29T00:00:00.000Z");
    }
}
