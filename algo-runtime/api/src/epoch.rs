//! Numbers that are times: seconds, milliseconds, microseconds or nanoseconds since 1970. Messages and files are read by the
//! same rule.

use crate::decimal;

/// 1990-01-01T00:00:00Z.
const FIRST_SECOND: i128 = 631_152_000;
/// 2100-01-01T00:00:00Z.
const END_SECOND: i128 = 4_102_444_800;

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Unit {
    /// All units, from the longest to the shortest.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Millis, Self::Micros, Self::Nanos];

    const fn per_second(self) -> i128 {
        match self {
            Self::Seconds => 1,
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }

    /// The name, for options and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
        }
    }

    /// A number of this unit in microseconds since 1970; digits beyond are cut. `None`: no number, or beyond 64 bits.
    pub fn micros(self, text: &str) -> Option<i64> {
        let micros = match self {
            Self::Seconds => decimal::truncated(text, 6)?,
            Self::Millis => decimal::truncated(text, 3)?,
            Self::Micros => decimal::truncated(text, 0)?,
            Self::Nanos => decimal::truncated(text, 0)?.div_euclid(1_000),
        };
        i64::try_from(micros).ok()
    }
}

/// The unit in which a number is a time between 1990 and 2100, and that time in microseconds since 1970; digits beyond are
/// cut. These ranges do not meet. `None`: no number, or outside all of them.
pub fn recognised(text: &str) -> Option<(Unit, i64)> {
    let whole = decimal::truncated(text, 0)?;
    let in_range = |unit: &Unit| (FIRST_SECOND * unit.per_second()..END_SECOND * unit.per_second()).contains(&whole);
    let unit = Unit::ALL.into_iter().find(in_range)?;
    Some((unit, unit.micros(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_number_is_that_of_a_time_between_1990_and_2100() {
        for (text, expected) in [
            ("1741064760", Some((Unit::Seconds, 1_741_064_760_000_000))),
            ("1741064760.5", Some((Unit::Seconds, 1_741_064_760_500_000))),
            ("1.74106476e9", Some((Unit::Seconds, 1_741_064_760_000_000))),
            ("1741064760000", Some((Unit::Millis, 1_741_064_760_000_000))),
            ("1.741064760001e12", Some((Unit::Millis, 1_741_064_760_001_000))),
            ("1741064760000001", Some((Unit::Micros, 1_741_064_760_000_001))),
            ("1741064760000001999", Some((Unit::Nanos, 1_741_064_760_000_001))),
            ("631152000", Some((Unit::Seconds, 631_152_000_000_000))),
            ("631151999", None),
            ("4102444799", Some((Unit::Seconds, 4_102_444_799_000_000))),
            ("4102444800", None),
            ("20240506", None),
            ("-1741064760", None),
            ("1741064760s", None),
            ("", None),
        ] {
            assert_eq!(recognised(text), expected, "{text}");
        }
    }

    #[test]
    fn a_unit_that_is_given_holds_for_every_number() {
        for (unit, text, expected) in [
            (Unit::Seconds, "86400", Some(86_400_000_000)),
            (Unit::Seconds, "-1.5", Some(-1_500_000)),
            (Unit::Seconds, "-0.0000001", Some(0)),
            (Unit::Millis, "1741064760.0009", Some(1_741_064_760_000)),
            (Unit::Micros, "7", Some(7)),
            (Unit::Nanos, "1999", Some(1)),
            (Unit::Nanos, "-1", Some(-1)),
            (Unit::Seconds, "1e30", None),
            (Unit::Millis, "soon", None),
        ] {
            assert_eq!(unit.micros(text), expected, "{text} {}", unit.name());
        }
    }
}
