//! Values from exact fractions and square roots, rounded once: half-even, to the 10 places of [`Value`].

use std::cmp::Ordering;

use ethnum::{I256, U256};
use intuition_api::decimal::Value;

/// Sign in front of the root of [`root_ratio`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

/// `numerator` / `denominator`, in units of 10^-10. `None`: the denominator is not above 0, or the value is beyond [`Value`].
pub(crate) fn ratio(numerator: I256, denominator: I256) -> Option<Value> {
    if denominator <= I256::ZERO {
        return None;
    }
    let small = i128::try_from(numerator).ok().zip(i128::try_from(denominator).ok());
    let units = if let Some((numerator, denominator)) = small {
        let quotient = numerator.div_euclid(denominator);
        let rest = numerator - quotient * denominator;
        quotient + i128::from(is_rounded_up(rest.cmp(&(denominator - rest)), quotient % 2 != 0))
    } else {
        let quotient = numerator.div_euclid(denominator);
        let rest = numerator - quotient * denominator;
        let up = is_rounded_up(rest.cmp(&(denominator - rest)), quotient % I256::from(2) != I256::ZERO);
        i128::try_from(quotient + I256::from(i128::from(up))).ok()?
    };
    Value::from_units(units)
}

/// (`offset` +- sqrt(`square`)) / `denominator`, in units of 10^-10. `square` is below 2^254, `denominator` above 0.
pub(crate) fn root_ratio(offset: I256, sign: Sign, square: U256, denominator: I256) -> Option<Value> {
    let two = I256::from(2);
    // The nearest integer to x is floor(x + 1/2). With x = (offset +- root) / denominator, it is
    // floor((2 offset + denominator +- 2 root) / (2 denominator)), and a floor of integers beside the root may stand inside.
    let doubled = square << 2_u32;
    let root = integer_root(doubled);
    let is_exact = root * root == doubled;
    let root = I256::try_from(root).ok()?;
    let signed = match sign {
        Sign::Plus => root,
        Sign::Minus if is_exact => -root,
        Sign::Minus => -root - I256::ONE,
    };
    let (numerator, divisor) = (two * offset + denominator + signed, two * denominator);
    let quotient = numerator.div_euclid(divisor);
    // Only an exact root can end in the middle of two values.
    let is_tie = is_exact && quotient * divisor == numerator;
    let units = if is_tie && quotient % two != I256::ZERO { quotient - I256::ONE } else { quotient };
    Value::from_units(i128::try_from(units).ok()?)
}

fn is_rounded_up(rest: Ordering, is_odd: bool) -> bool {
    match rest {
        Ordering::Less => false,
        Ordering::Equal => is_odd,
        Ordering::Greater => true,
    }
}

/// The square root, rounded down.
fn integer_root(square: U256) -> U256 {
    if let Ok(small) = u128::try_from(square) {
        return U256::from(small.isqrt());
    }
    // Newton's method from above, from the root of the leading 128 bits.
    let bits = 256 - square.leading_zeros();
    let shift = (bits - 128).next_multiple_of(2);
    let leading = u128::try_from(square >> shift).unwrap_or(u128::MAX).isqrt();
    let mut root = (U256::from(leading) + U256::ONE) << (shift / 2);
    loop {
        let next = (root + square / root) >> 1_u32;
        if next >= root {
            return root;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(numerator: i128, denominator: i128) -> i128 {
        ratio(I256::from(numerator), I256::from(denominator)).unwrap().units()
    }

    #[test]
    fn middle_of_two_values_becomes_the_even_one() {
        for (numerator, denominator, expected) in [
            (1, 2, 0),
            (3, 2, 2),
            (5, 2, 2),
            (-1, 2, 0),
            (-3, 2, -2),
            (-5, 2, -2),
            (2, 3, 1),
            (-2, 3, -1),
            (1, 3, 0),
            (7, 1, 7),
        ] {
            assert_eq!(units(numerator, denominator), expected, "{numerator}/{denominator}");
        }
        assert_eq!(ratio(I256::ONE, I256::ZERO), None);
        assert_eq!(ratio(I256::from(i128::MAX), I256::ONE), None);
    }

    #[test]
    fn middle_of_two_values_that_comes_from_a_root_becomes_the_even_one() {
        let of = |offset: i128, sign, square: u128, denominator: i128| {
            root_ratio(I256::from(offset), sign, U256::from(square), I256::from(denominator)).unwrap().units()
        };
        assert_eq!(of(0, Sign::Plus, 9, 2), 2);
        assert_eq!(of(0, Sign::Plus, 25, 2), 2);
        assert_eq!(of(0, Sign::Minus, 9, 2), -2);
        assert_eq!(of(0, Sign::Minus, 25, 2), -2);
        // sqrt(2) is 1.41, sqrt(3) is 1.73.
        assert_eq!((of(0, Sign::Plus, 2, 1), of(0, Sign::Plus, 3, 1)), (1, 2));
        assert_eq!((of(0, Sign::Minus, 2, 1), of(0, Sign::Minus, 3, 1)), (-1, -2));
        assert_eq!((of(5, Sign::Minus, 2, 1), of(5, Sign::Minus, 3, 1)), (4, 3));
    }

    proptest! {
        #[test]
        fn ratios_of_small_and_of_large_numbers_are_rounded_alike(
            numerator in -10_i128.pow(25)..10_i128.pow(25),
            denominator in 1..10_i128.pow(10),
        ) {
            let large = I256::from(10).pow(30);
            let scaled = ratio(I256::from(numerator) * large, I256::from(denominator) * large);
            prop_assert_eq!(scaled, ratio(I256::from(numerator), I256::from(denominator)));
        }

        #[test]
        fn root_is_the_largest_integer_whose_square_is_not_above(high in any::<u128>(), low in any::<u128>(), shift in 2_u32..256) {
            let square = U256::from_words(high, low) >> shift;
            let root = integer_root(square);
            prop_assert!(root * root <= square);
            let next = root + U256::ONE;
            prop_assert!(next * next > square);
            prop_assert_eq!(integer_root(root * root), root);
        }
    }
}
