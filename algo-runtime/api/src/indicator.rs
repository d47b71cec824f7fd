//! Names and limits of indicators.

/// Name of the built-in algorithm of indicators' accounts.
pub const ALGORITHM: &str = "indicators";
/// Characters of an indicator's name, at most.
pub const MAX_NAME_CHARS: usize = 40;
/// Characters of the name of one of its values, at most.
pub const MAX_VALUE_NAME_CHARS: usize = 20;
/// Values of one indicator, at most.
pub const MAX_VALUES: usize = 8;
/// Indicators of one account, at most.
pub const MAX_INDICATORS: usize = 32;
/// The rules of [`is_name`], as the end of a sentence to a person.
pub const NAME_RULES: &str = "1 to 40 characters of a-z, 0-9 and -, with a letter first and no - at the end";
/// Those of [`is_value_name`].
pub const VALUE_NAME_RULES: &str = "1 to 20 characters of a-z, 0-9 and -, with a letter first and no - at the end";
/// Name of the value of an indicator that has one.
pub const ONLY_VALUE: &str = "value";

/// Whether text is a name of an indicator: 1 to 40 characters of a-z, 0-9 and `-`, beginning with a letter and not ending
/// with `-`.
pub fn is_name(text: &str) -> bool {
    is_word(text, MAX_NAME_CHARS)
}

/// Whether text is a name of a value of an indicator: as that of an indicator, at most 20 characters.
pub fn is_value_name(text: &str) -> bool {
    is_word(text, MAX_VALUE_NAME_CHARS)
}

fn is_word(text: &str, most: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=most).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for name in ["sma-20", "a", "macd-12-26-9"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(41);
        for name in ["", "SMA", "20-sma", "sma-", "sma.20", "sma 20", long.as_str()] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(is_value_name("signal") && !is_value_name(&long[..21]));
    }
}
