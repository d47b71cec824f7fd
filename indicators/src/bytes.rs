//! The bytes of a saved state. Numbers take as many bytes as they need: 7 bits in each, the lowest first.

use std::collections::VecDeque;

use ethnum::U256;

/// Decimal places that the numbers of a list may share as zeros.
const MOST_ZEROS: u32 = 10;

/// Writes a state.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.number(count as u128);
    }

    pub(crate) fn number(&mut self, mut number: u128) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push((number & 0x7f) as u8);
    }

    pub(crate) fn large(&mut self, number: U256) {
        let (high, low) = number.into_words();
        self.number(low);
        self.number(high);
    }

    pub(crate) fn signed(&mut self, number: i64) {
        self.number(zigzag(i128::from(number)));
    }

    pub(crate) fn float(&mut self, number: f64) {
        self.0.extend_from_slice(&number.to_bits().to_le_bytes());
    }

    /// A list of numbers below 2^126: without the decimal zeros that all have at their end, and each as its difference from
    /// the number before it. Prices that lie close together take a byte or two each.
    pub(crate) fn numbers(&mut self, numbers: impl ExactSizeIterator<Item = u128> + Clone) {
        let mut zeros = MOST_ZEROS;
        for number in numbers.clone() {
            while zeros > 0 && !number.is_multiple_of(10_u128.pow(zeros)) {
                zeros -= 1;
            }
        }
        self.count(numbers.len());
        self.number(u128::from(zeros));
        let (scale, mut last) = (10_u128.pow(zeros), 0);
        for number in numbers {
            let next = (number / scale).cast_signed();
            self.number(zigzag(next - last));
            last = next;
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a state. Each method returns `None` where the bytes are none that [`Writer`] wrote.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// A number of items, at most `most`.
    pub(crate) fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= most)
    }

    pub(crate) fn number(&mut self) -> Option<u128> {
        let (mut number, mut shift) = (0_u128, 0_u32);
        loop {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            let shifted = part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    pub(crate) fn large(&mut self) -> Option<U256> {
        let low = self.number()?;
        Some(U256::from_words(self.number()?, low))
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        i64::try_from(unzigzag(self.number()?)).ok()
    }

    pub(crate) fn float(&mut self) -> Option<f64> {
        let (bits, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_bits(u64::from_le_bytes(*bits))).filter(|number| number.is_finite())
    }

    /// A list of at most `most` numbers.
    pub(crate) fn numbers(&mut self, most: usize) -> Option<VecDeque<u128>> {
        let count = self.count(most)?;
        let zeros = u32::try_from(self.number()?).ok().filter(|zeros| *zeros <= MOST_ZEROS)?;
        let (scale, mut last) = (10_u128.pow(zeros), 0_i128);
        let mut numbers = VecDeque::new();
        for _ in 0..count {
            last = last.checked_add(unzigzag(self.number()?))?;
            numbers.push_back(u128::try_from(last).ok()?.checked_mul(scale)?);
        }
        Some(numbers)
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// Numbers with a sign as numbers without: 0, -1, 1, -2 become 0, 1, 2, 3.
const fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)).cast_unsigned()
}

const fn unzigzag(number: u128) -> i128 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_written_is_read_again(
            numbers in proptest::collection::vec(0_u128..1 << 126, 0..20),
            prices in proptest::collection::vec(0_u128..10_u128.pow(12), 0..20),
            signed in any::<i64>(),
            float in -1e300_f64..1e300,
            words in any::<(u128, u128)>(),
        ) {
            let prices: Vec<u128> = prices.into_iter().map(|price| price * 10_u128.pow(8)).collect();
            let mut writer = Writer::default();
            writer.numbers(numbers.iter().copied());
            writer.numbers(prices.iter().copied());
            writer.signed(signed);
            writer.float(float);
            writer.large(U256::from_words(words.0, words.1));
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.numbers(20), Some(numbers.into()));
            prop_assert_eq!(reader.numbers(20), Some(prices.into()));
            prop_assert_eq!(reader.signed(), Some(signed));
            prop_assert_eq!(reader.float(), Some(float));
            prop_assert_eq!(reader.large(), Some(U256::from_words(words.0, words.1)));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut reader = Reader::new(&bytes);
            while reader.numbers(1_000).is_some() && !reader.is_at_end() {}
            let mut reader = Reader::new(&bytes);
            while reader.large().is_some() && !reader.is_at_end() {}
            prop_assert!(bytes.len() < 60);
        }
    }

    #[test]
    fn neighbouring_prices_take_few_bytes() {
        let mut writer = Writer::default();
        writer.numbers((0..100_u8).map(|step| (44_000 + u128::from(step)) * 10_u128.pow(8)));
        assert_eq!(writer.finish().len(), 2 + 3 + 99);
    }
}
