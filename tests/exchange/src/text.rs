//! Decimal text from integers, plain and with an exponent.

/// `units` of 10^-`places`, without an exponent.
pub(crate) fn plain(units: u64, places: usize) -> String {
    let digits = format!("{units:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if places == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// `units` of 10^-`places`, in the notation that Python's `repr` and many JSON encoders use for small numbers: `9.4e-05`.
pub(crate) fn exponent(units: u64, places: usize) -> String {
    let digits = units.to_string();
    let exponent = i64::try_from(digits.len()).unwrap_or(0) - 1 - i64::try_from(places).unwrap_or(0);
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_decimals_of_both_notations() {
        for (units, places, decimal, scientific) in [
            (9_400, 8, "0.00009400", "9.4e-05"),
            (3_024_341, 2, "30243.41", "3.024341e+04"),
            (100, 0, "100", "1e+02"),
            (5, 2, "0.05", "5e-02"),
        ] {
            assert_eq!(plain(units, places), decimal);
            assert_eq!(exponent(units, places), scientific);
        }
    }
}
