//! The rate of a feed. Pure.

use std::time::Duration;

/// Rows a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// As fast as outcomes come.
    Max,
    /// This many rows a second, at least 1.
    PerSecond(u32),
}

impl std::str::FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Self::PerSecond).ok_or("must be max, or a whole number of lines a second from 1 on")
    }
}

impl Rate {
    /// The time of the row behind `sent` rows, after the start; `None`: at once.
    pub(crate) fn due(self, sent: u64) -> Option<Duration> {
        let Self::PerSecond(rate) = self else { return None };
        let (seconds, rest) = (sent / u64::from(rate), sent % u64::from(rate));
        // The rest is below the rate, so that the quotient is below a second.
        Some(Duration::from_secs(seconds) + Duration::from_nanos(rest * 1_000_000_000 / u64::from(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_the_rows_evenly() {
        let rate = Rate::PerSecond(4);
        let millis: Vec<_> = (0..6).map(|sent| rate.due(sent).unwrap().as_millis()).collect();
        assert_eq!(millis, [0, 250, 500, 750, 1_000, 1_250]);
        assert_eq!(Rate::PerSecond(3).due(1), Some(Duration::from_nanos(333_333_333)));
        assert_eq!(Rate::Max.due(7), None);
    }

    #[test]
    fn a_rate_is_max_or_a_whole_number_from_1() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("20".parse(), Ok(Rate::PerSecond(20)));
        for text in ["0", "-1", "1.5", "fast", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
