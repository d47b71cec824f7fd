//! Decimals as text. Every decision has a dozen of them, so that they are written without the machinery of formats: the digits
//! come from 64-bit divisions wherever the number allows.

/// Longest text: a sign, the 39 digits of 128 bits, a point, and a zero in front of it.
const MAX_BYTES: usize = 44;
/// Digits that a 64-bit integer always holds.
const CHUNK_DIGITS: u32 = 19;
const CHUNK: u128 = 10_u128.pow(CHUNK_DIGITS);

/// A decimal's text.
pub(super) struct Text {
    bytes: [u8; MAX_BYTES],
    /// Bytes in front of the text.
    start: usize,
}

impl Text {
    /// A number in units of 10^-`places`, without zeros at the end of its fraction, and without a point where none is left.
    pub(super) fn trimmed(mut units: u128, mut places: u32) -> Self {
        if let Ok(mut small) = u64::try_from(units) {
            while places > 0 && small.is_multiple_of(10) {
                (small, places) = (small / 10, places - 1);
            }
            units = u128::from(small);
        } else {
            while places > 0 && units.is_multiple_of(10) {
                (units, places) = (units / 10, places - 1);
            }
        }
        let mut text = Self::empty();
        text.put_number(units, places);
        text
    }

    /// The same with all of its places, and with a minus where it is `negative`.
    pub(super) fn money(negative: bool, units: u128, places: u32) -> Self {
        let mut text = Self::empty();
        text.put_number(units, places);
        if negative {
            text.put(b'-');
        }
        text
    }

    pub(super) fn as_str(&self) -> &str {
        // It has digits, a point and a minus alone.
        self.bytes.get(self.start..).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    const fn empty() -> Self {
        Self { bytes: [0; MAX_BYTES], start: MAX_BYTES }
    }

    /// Puts a byte in front of the text.
    fn put(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }

    /// Puts a number in front, with at least one digit in front of its point.
    fn put_number(&mut self, units: u128, places: u32) {
        // Of a number with several chunks, all but the first have every digit.
        let (mut rest, mut written) = (units, 0);
        while rest >= CHUNK {
            let mut chunk = low(rest % CHUNK);
            rest /= CHUNK;
            for _ in 0..CHUNK_DIGITS {
                chunk = self.put_digit(chunk, places, &mut written);
            }
        }
        let mut chunk = low(rest);
        while chunk > 0 || written <= places {
            chunk = self.put_digit(chunk, places, &mut written);
        }
    }

    /// Puts the last digit of a number in front, with the point where it belongs. Returns the other digits.
    fn put_digit(&mut self, number: u64, places: u32, written: &mut u32) -> u64 {
        if *written == places && places > 0 {
            self.put(b'.');
        }
        *written += 1;
        self.put(b'0' + (number % 10) as u8);
        number / 10
    }
}

/// A number below [`CHUNK`] in 64 bits.
fn low(number: u128) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the formats of the standard library.
    fn trimmed(units: u128, places: u32) -> String {
        let scale = 10_u128.pow(places);
        let (whole, part) = (units / scale, units % scale);
        let part = format!("{part:0width$}", width = places as usize);
        let part = part.trim_end_matches('0');
        if part.is_empty() { whole.to_string() } else { format!("{whole}.{part}") }
    }

    fn written(text: &Text) -> String {
        text.as_str().to_owned()
    }

    fn numbers() -> impl Strategy<Value = u128> {
        let round = (0_u128..1_000, 0_u32..36).prop_map(|(digits, zeros)| digits * 10_u128.pow(zeros));
        prop_oneof![Just(0), Just(u128::MAX), Just(CHUNK), Just(CHUNK - 1), any::<u128>(), 0..10_u128.pow(20), round]
    }

    proptest! {
        #[test]
        fn text_is_that_of_the_standard_library(units in numbers()) {
            for places in [8, 10] {
                prop_assert_eq!(written(&Text::trimmed(units, places)), trimmed(units, places));
            }
            let money = format!("{}.{:02}", units / 100, units % 100);
            prop_assert_eq!(&written(&Text::money(false, units, 2)), &money);
            prop_assert_eq!(written(&Text::money(true, units, 2)), format!("-{money}"));
        }
    }
}
