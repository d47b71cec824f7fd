//! The quotes that are published, and the number of a quote in a message.

use std::io::Write as _;

/// The channel of the quotes.
pub const CHANNEL: &str = "quotes";

/// Before the number of a quote in the quote itself.
pub const IN_QUOTE: &[u8] = b"\"seq\":";

/// Before the number of a quote in a decision about it.
pub const IN_DECISION: &[u8] = b"\"event\":\"bench/";

/// Writes the quote with this number, from 1, into `payload`. The quotes go round `symbols` symbols. Prices go up and
/// down in turns, so that an algorithm which follows every turn has a signal at each quote of one symbol but the first.
pub fn write(payload: &mut Vec<u8>, number: u64, symbols: u64) {
    payload.clear();
    let (units, cents) = price(number);
    let symbol = number % symbols.max(1);
    // Writing into a vector does not fail.
    drop(write!(payload, r#"{{"sid":"S{symbol}","quote":"{units}.{cents:02}","source":"bench","seq":{number}}}"#));
}

/// Writes a message of the size of a decision about the quote with this number: for a relay that decides nothing.
pub fn write_stand_in(payload: &mut Vec<u8>, number: u64) {
    payload.clear();
    let (units, cents) = price(number);
    drop(write!(
        payload,
        concat!(
            r#"{{"id":"bench/bench/0a1b2c3d/{0}","seq":{0},"algo":"bench/bench","event":"bench/{0}","#,
            r#""sid":"S0","side":"buy","#,
            r#""amount":"1.00","quantity":"0.00191285","price":"{1}.{2:02}","cash":"999999999.99","#,
            r#""time":"2026-01-02T03:04:05.678Z"}}"#
        ),
        number, units, cents
    ));
}

/// From 10.00 to 109.99, and 500 more for an even number.
pub const fn price(number: u64) -> (u64, u64) {
    let step = if number.is_multiple_of(2) { 500 } else { 0 };
    (10 + number / 100 % 100 + step, number % 100)
}

/// The number behind `marker` in a message.
pub fn number(payload: &[u8], marker: &[u8]) -> Option<u64> {
    let start = payload.windows(marker.len()).position(|window| window == marker)? + marker.len();
    let digits = payload.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_a_quote_is_found_in_quote_and_decision() {
        let mut payload = Vec::new();
        write(&mut payload, 1_234, 7);
        assert_eq!(String::from_utf8_lossy(&payload), r#"{"sid":"S2","quote":"522.34","source":"bench","seq":1234}"#);
        assert_eq!(number(&payload, IN_QUOTE), Some(1_234));
        write_stand_in(&mut payload, 1_234);
        assert_eq!(number(&payload, IN_DECISION), Some(1_234));
        assert!(serde_json::from_slice::<serde_json::Value>(&payload).is_ok());
        assert_eq!(number(br#"{"event":"other/5"}"#, IN_DECISION), None);
    }
}
