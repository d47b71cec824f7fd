//! Durations as flags take them: `30s`, `5m`, `24h`, `90d`.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, de::Error as _};

/// Parses a duration such as `90d`, `24h`, `30m` or `45s`: at least a second.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    let expected = "must be a whole number with d, h, m or s behind it, such as 90d, and at least 1s";
    let unit = text.chars().next_back().ok_or(expected)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1_u64,
        _ => return Err(expected),
    };
    let digits = text.trim_end_matches(unit);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.len() + 1 != text.len() {
        return Err(expected);
    }
    let count: u64 = digits.parse().map_err(|_| expected)?;
    let seconds = count.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or(expected)?;
    Ok(Duration::from_secs(seconds))
}

/// Reads a duration as text from a settings file, for a member that may be left out.
pub fn deserialize_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map(Some).map_err(D::Error::custom)
}

/// A parser of durations from `least` to `most`, for a flag.
pub fn within(
    least: Duration,
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let duration = parse(text)?;
        let is_within = (least..=most).contains(&duration);
        if is_within { Ok(duration) } else { Err(format!("must be from {}s to {}s", least.as_secs(), most.as_secs())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_one_number_and_one_unit() {
        for (text, seconds) in [("90d", 7_776_000), ("24h", 86_400), ("30m", 1_800), ("45s", 45)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "d", "90", "0d", "-1d", "1.5h", "1h30m", "90ss", "9é", "+9d", "99999999999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds_are_part_of_the_range() {
        let within = within(Duration::from_secs(5), Duration::from_mins(1));
        assert_eq!(["5s", "60s", "1m"].map(|text| within(text).unwrap().as_secs()), [5, 60, 60]);
        assert_eq!(
            ["4s", "61s", "2m"].map(|text| within(text).unwrap_err()),
            ["must be from 5s to 60s"; 3].map(str::to_owned)
        );
        assert!(within("5").unwrap_err().contains("such as 90d"));
    }
}
