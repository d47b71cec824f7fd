//! Between exact decimals and binary floating point.

use intuition_api::decimal::Value;

/// Units of a price in 1.
const UNITS: f64 = 1e10;
const MANTISSA_BITS: u32 = 52;
/// A mantissa of 53 bits times 10^10 leaves so many bits of 128 for a shift to the left.
const MOST_SHIFT: u32 = 128 - 1 - 53 - 34;

/// A price, or a difference of prices, given in units of 10^-10. The nearest binary number to it, but for numbers of more than
/// 15 digits, which may be off by one bit.
#[expect(clippy::cast_precision_loss, reason = "the nearest binary number is meant")]
pub(crate) fn from_units(mut units: u128) -> f64 {
    let mut scale = UNITS;
    // A number of up to 53 bits is exact, as are the powers of ten here: the division then rounds once.
    while units >> (MANTISSA_BITS + 1) != 0 && units.is_multiple_of(10) && scale > 1.0 {
        units /= 10;
        scale /= 10.0;
    }
    units as f64 / scale
}

/// The binary number's exact value, rounded half-even to 10 places. `None`: no number, or beyond [`Value`].
pub(crate) fn to_value(number: f64) -> Option<Value> {
    if !number.is_finite() {
        return None;
    }
    let bits = number.to_bits();
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    let exponent = i32::try_from((bits >> MANTISSA_BITS) & 0x7ff).ok()?;
    // The number is mantissa x 2^power.
    let (mantissa, power) = match exponent {
        0 => (fraction, -1_074),
        _ => (fraction | (1 << MANTISSA_BITS), exponent - 1_075),
    };
    let scaled = u128::from(mantissa) * 10_u128.pow(10);
    let units = if power >= 0 {
        let shift = u32::try_from(power).ok().filter(|shift| *shift <= MOST_SHIFT)?;
        scaled << shift
    } else {
        shifted_right(scaled, power.unsigned_abs())
    };
    let units = i128::try_from(units).ok()?;
    Value::from_units(if number.is_sign_negative() { -units } else { units })
}

/// `number` / 2^`shift`, rounded half-even.
fn shifted_right(number: u128, shift: u32) -> u128 {
    let (Some(kept), Some(one)) = (number.checked_shr(shift), 1_u128.checked_shl(shift)) else { return 0 };
    let (rest, half) = (number & (one - 1), one >> 1);
    let up = rest > half || (rest == half && kept % 2 == 1);
    kept + u128::from(up)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: f64) -> Option<String> {
        to_value(number).map(|value| value.to_string())
    }

    #[test]
    fn binary_numbers_are_rounded_by_their_exact_value() {
        // 2^-11 has eleven places and ends in 5.
        assert_eq!(text(1.0 / 2048.0).as_deref(), Some("0.0004882812"));
        assert_eq!(text(3.0 / 2048.0).as_deref(), Some("0.0014648438"));
        assert_eq!(text(-3.0 / 2048.0).as_deref(), Some("-0.0014648438"));
        assert_eq!(text(70.464_135_021_097_04).as_deref(), Some("70.4641350211"));
        for (number, expected) in [(0.0, "0"), (-0.0, "0"), (f64::MIN_POSITIVE, "0"), (5e-324, "0"), (-1e-11, "0")] {
            assert_eq!(text(number).as_deref(), Some(expected), "{number:e}");
        }
        for number in [f64::NAN, f64::INFINITY, 1e16, -1e16, f64::MAX] {
            assert_eq!(text(number), None, "{number:e}");
        }
    }

    proptest! {
        #[test]
        fn text_is_that_of_the_standard_library(number in -9.9e15_f64..9.9e15, power in -60_i32..1) {
            let number = number * 2_f64.powi(power);
            let written = format!("{number:.10}");
            let written = written.trim_end_matches('0').trim_end_matches('.');
            let written = if written == "-0" { "0" } else { written };
            prop_assert_eq!(text(number).unwrap(), written);
        }

        #[test]
        fn usual_prices_become_the_nearest_binary_number(digits in 0_u64..10_u64.pow(15), places in 0_u32..11) {
            let units = u128::from(digits) * 10_u128.pow(10 - places);
            let nearest: f64 = format!("{digits}e-{places}").parse().unwrap();
            prop_assert_eq!(from_units(units).to_bits(), nearest.to_bits());
        }
    }
}
